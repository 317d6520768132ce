import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import { engineCall, engineFailed, statusOf } from "./engine-call.ts";

export const HOLDER_IMAGE = "skrei-holder:1";

/**
 * Machine code of a program that waits for ever, by the engine's architecture: `pause` in a loop on x86-64, `ppoll` without a
 * time-out in a loop on arm64 (which has no `pause`; assembled by hand, not run here).
 */
const WAIT_FOREVER: Readonly<Record<string, { machine: number; code: readonly number[] }>> = {
  amd64: { machine: 62, code: [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7] },
  arm64: {
    machine: 183,
    code: [0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa].flatMap((word) => [
      word & 0xff,
      (word >>> 8) & 0xff,
      (word >>> 16) & 0xff,
      word >>> 24,
    ]),
  },
};

/**
 * Makes sure that the engine has the holder's image: one static program of about 130 bytes, imported and not pulled, so that a node
 * without a registry works too.
 * @throws DomainError unavailable/ENGINE_FAILED.
 */
export async function ensureHolderImage(docker: Docker): Promise<void> {
  try {
    await engineCall("inspect the holder image", 10_000, () => docker.getImage(HOLDER_IMAGE).inspect());
    return;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  const { Arch } = (await engineCall("version", 10_000, () => docker.version())) as { Arch: string };
  const program = holderProgram(Arch);
  if (program === undefined)
    throw engineFailed(`the Docker engine runs on ${Arch}; holders exist for ${Object.keys(WAIT_FOREVER).join(" and ")}`);
  await engineCall("import the holder image", 30_000, async () => {
    const [repo, tag] = HOLDER_IMAGE.split(":");
    const progress = await docker.importImage(Readable.from([tarOf("wait", program)]), { repo, tag });
    await finished(progress.resume());
  });
}

/** An ELF file that waits for ever, or undefined for an architecture that we have no code for. */
function holderProgram(architecture: string): Buffer | undefined {
  const target = WAIT_FOREVER[architecture];
  if (target === undefined) return undefined;
  const headerBytes = 64 + 56;
  const size = headerBytes + target.code.length;
  const base = 0x400000n;
  const elf = Buffer.alloc(size);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16); // executable
  elf.writeUInt16LE(target.machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(base + BigInt(headerBytes), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program headers
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // load
  elf.writeUInt32LE(5, 68); // read + execute
  elf.writeBigUInt64LE(base, 80);
  elf.writeBigUInt64LE(base, 88);
  elf.writeBigUInt64LE(BigInt(size), 96);
  elf.writeBigUInt64LE(BigInt(size), 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  elf.set(target.code, headerBytes);
  return elf;
}

/** A ustar archive with one executable file. */
function tarOf(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000555\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((512 - (data.length % 512)) % 512);
  return Buffer.concat([header, data, padding, Buffer.alloc(1024)]);
}
