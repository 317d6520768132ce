import { randomFillSync } from "node:crypto";
import type { GuestMemory } from "./guest-memory.ts";
import { CLOCK } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** Thrown through the guest's frames by proc_exit. */
export class GuestExit extends Error {
  override readonly name = "GuestExit";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the guest exited with ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** args_*, environ_*, clock_*, random_get, proc_exit, sched_yield and the refused sock_*. */
export function processCalls({ memory, fds, args, env }: WasiContext): SystemCalls {
  const refuseSocket = (fd: number): void => {
    fds.get(fd);
    throw new WasiError("ENOTSOCK");
  };
  return {
    args_sizes_get: (countPointer: number, sizePointer: number) => putSizes(memory, args, countPointer, sizePointer),
    args_get: (pointersPointer: number, bytesPointer: number) => putStrings(memory, args, pointersPointer, bytesPointer),
    environ_sizes_get: (countPointer: number, sizePointer: number) => putSizes(memory, env, countPointer, sizePointer),
    environ_get: (pointersPointer: number, bytesPointer: number) => putStrings(memory, env, pointersPointer, bytesPointer),
    clock_res_get: (clock: number, pointer: number) => {
      clockNanoseconds(clock);
      memory.setU64(pointer, clock === CLOCK.realtime ? 1_000_000n : 1_000n);
    },
    clock_time_get: (clock: number, _precision: bigint, pointer: number) => memory.setU64(pointer, clockNanoseconds(clock)),
    random_get: (pointer: number, length: number) => {
      randomFillSync(memory.bytes(pointer, length));
    },
    proc_exit: (exitCode: number) => {
      throw new GuestExit(exitCode >>> 0);
    },
    proc_raise: () => {
      throw new WasiError("ENOTSUP");
    },
    sched_yield: () => undefined,
    sock_accept: refuseSocket,
    sock_recv: refuseSocket,
    sock_send: refuseSocket,
    sock_shutdown: refuseSocket,
  };
}

/** @throws WasiError EINVAL for a clock that does not exist. */
export function clockNanoseconds(clock: number): bigint {
  switch (clock) {
    case CLOCK.realtime:
      return BigInt(Math.trunc((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
    case CLOCK.monotonic:
      return process.hrtime.bigint();
    case CLOCK.processCpu:
    case CLOCK.threadCpu: {
      const { user, system } = process.cpuUsage();
      return BigInt(user + system) * 1_000n;
    }
    default:
      throw new WasiError("EINVAL");
  }
}

function putSizes(memory: GuestMemory, strings: readonly Uint8Array[], countPointer: number, sizePointer: number): void {
  memory.setU32(countPointer, strings.length);
  memory.setU32(
    sizePointer,
    strings.reduce((sum, text) => sum + text.length + 1, 0),
  );
}

function putStrings(memory: GuestMemory, strings: readonly Uint8Array[], pointersPointer: number, bytesPointer: number): void {
  let at = bytesPointer;
  for (const [index, text] of strings.entries()) {
    memory.setU32(pointersPointer + index * 4, at);
    memory.bytes(at, text.length).set(text);
    memory.setU8(at + text.length, 0);
    at += text.length + 1;
  }
}
