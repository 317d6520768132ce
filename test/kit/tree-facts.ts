import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a tree holds by path: `folder`, `link to …`, or size and hash of a file. */
export type TreeFacts = Readonly<Record<string, string>>;

export function factOf(content: Uint8Array): string {
  return `${content.length} bytes ${createHash("sha256").update(content).digest("hex")}`;
}

export function treeFacts(folder: string): TreeFacts {
  const facts: Record<string, string> = {};
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const at = join(folder, path);
    const stat = lstatSync(at);
    if (stat.isSymbolicLink()) facts[path] = `link to ${readlinkSync(at)}`;
    else facts[path] = stat.isDirectory() ? "folder" : factOf(readFileSync(at));
  }
  return facts;
}

/** A result with all that archives get wrong: links, names of every kind and length, sizes around those of blocks. */
export function makeDifficultResult(folder: string, largeBytes: number): TreeFacts {
  const MIB = 1_048_576;
  const put = (path: string, content: Uint8Array | string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  put("stdout", "hello\n");
  put("stderr", "");
  put("exitCode", "0");
  put("outputs/model/large.bin", randomBytes(largeBytes));
  for (const bytes of [1, MIB - 1, MIB, MIB + 1]) put(`outputs/sizes/${bytes}`, randomBytes(bytes));
  put(`outputs/names/${"n".repeat(101)}`, "longer than a tar's field");
  put(`outputs/names/${"ü".repeat(120)}`, "longer in bytes than in letters");
  put(`outputs/${"deep/".repeat(60)}end`, "longer than both fields");
  put("outputs/names/läs mig <b>&'\"+%2F?#.html", "signs");
  put("outputs/names/ leading and trailing ", "blanks");
  put("outputs/names/-rf", "an option");
  put("outputs/names/=?utf-8?q?", "an encoding");
  for (let index = 0; index < 30; index++) put(`outputs/many/${index}`, `file ${index}`);
  mkdirSync(join(folder, "outputs/empty"), { recursive: true });
  symlinkSync("model/large.bin", join(folder, "outputs/link"));
  symlinkSync("/etc/passwd", join(folder, "outputs/link-away"));
  symlinkSync(`${"../".repeat(40)}${"t".repeat(90)}`, join(folder, "outputs/link-long"));
  return treeFacts(folder);
}
