import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import { engineCall, engineFailed, statusOf } from "./engine-call.ts";

const ARCHITECTURES = ["amd64", "arm64"];

/**
 * Makes sure that the engine has the holder's image: one static program of a few kilobytes, imported and not pulled, so that a node
 * without a registry works too. Its tag is the program's digest: a newer agent takes a newer one.
 * @throws DomainError unavailable/ENGINE_FAILED.
 */
export async function ensureHolderImage(docker: Docker): Promise<string> {
  const { Arch } = (await engineCall("version", 10_000, () => docker.version())) as { Arch: string };
  if (!ARCHITECTURES.includes(Arch))
    throw engineFailed(`the Docker engine runs on ${Arch}; holders exist for ${ARCHITECTURES.join(" and ")}`);
  const program = await readFile(new URL(`../../../holder/holder-${Arch}`, import.meta.url));
  const [repo, tag] = ["skrei-holder", createHash("sha256").update(program).digest("hex").slice(0, 12)];
  const image = `${repo}:${tag}`;
  try {
    await engineCall("inspect the holder image", 10_000, () => docker.getImage(image).inspect());
    return image;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  await engineCall("import the holder image", 30_000, async () => {
    const progress = await docker.importImage(Readable.from([tarOf("holder", program)]), { repo, tag });
    await finished(progress.resume());
  });
  return image;
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
