import { clockNanoseconds } from "./process-calls.ts";
import { blockFor } from "./stdio.ts";
import { EVENT, RIGHT } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { ERRNO, WasiError, errnoOf } from "./wasi-errno.ts";

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  /** Set for a clock: when it fires, counted from the call. */
  readonly delayNs: bigint;
  /** Set for a descriptor. */
  readonly fd: number;
}

interface PollEvent {
  readonly userdata: bigint;
  readonly type: number;
  readonly errno: number;
}

/** poll_oneoff: files and stdio are always ready, so only clocks make it wait. */
export function pollCalls(context: WasiContext): SystemCalls {
  const { memory } = context;
  return {
    poll_oneoff: (subscriptionsPointer: number, eventsPointer: number, count: number, countPointer: number) => {
      if (count < 1 || count > SUBSCRIPTIONS_MAX) throw new WasiError("EINVAL");
      const subscriptions = Array.from({ length: count }, (_, i) => readSubscription(context, subscriptionsPointer + i * 48));
      memory.bytes(eventsPointer, count * 32);
      const events = poll(context, subscriptions);
      for (const [index, event] of events.entries()) {
        const pointer = eventsPointer + index * 32;
        memory.bytes(pointer, 32).fill(0);
        memory.setU64(pointer, event.userdata);
        memory.setU16(pointer + 8, event.errno);
        memory.setU8(pointer + 10, event.type);
        if (event.type !== EVENT.clock) memory.setU64(pointer + 16, 1n);
      }
      memory.setU32(countPointer, events.length);
    },
  };
}

function poll(context: WasiContext, subscriptions: readonly Subscription[]): readonly PollEvent[] {
  const ready = subscriptions.filter(({ type }) => type !== EVENT.clock).map((subscription) => fdEvent(context, subscription));
  const clocks = subscriptions.filter(({ type }) => type === EVENT.clock);
  let waitedNs = 0n;
  if (ready.length === 0) {
    waitedNs = clocks.reduce((least, { delayNs }) => (delayNs < least ? delayNs : least), clocks[0]?.delayNs ?? 0n);
    blockFor(Math.ceil(Number(waitedNs) / 1e6));
  }
  const fired = clocks.filter(({ delayNs }) => delayNs <= waitedNs);
  return [...ready, ...fired.map(({ userdata, type }) => ({ userdata, type, errno: ERRNO.SUCCESS }))];
}

function fdEvent({ fds }: WasiContext, { userdata, type, fd }: Subscription): PollEvent {
  try {
    fds.get(fd, type === EVENT.fdRead ? RIGHT.fdRead : RIGHT.fdWrite);
    return { userdata, type, errno: ERRNO.SUCCESS };
  } catch (error) {
    return { userdata, type, errno: errnoOf(error) ?? ERRNO.EIO };
  }
}

function readSubscription({ memory }: WasiContext, pointer: number): Subscription {
  const userdata = memory.getU64(pointer);
  const type = memory.getU8(pointer + 8);
  if (type === EVENT.fdRead || type === EVENT.fdWrite) return { userdata, type, delayNs: 0n, fd: memory.getU32(pointer + 16) };
  if (type !== EVENT.clock) throw new WasiError("EINVAL");
  const timeoutNs = memory.getU64(pointer + 24);
  const isAbsolute = (memory.getU16(pointer + 40) & 1) !== 0;
  const nowNs = clockNanoseconds(memory.getU32(pointer + 16));
  const delayNs = isAbsolute ? timeoutNs - nowNs : timeoutNs;
  return { userdata, type, delayNs: delayNs > 0n ? delayNs : 0n, fd: 0 };
}

const SUBSCRIPTIONS_MAX = 4_096;
