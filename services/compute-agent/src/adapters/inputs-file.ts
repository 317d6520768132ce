import { open, writeFile, type FileHandle } from "node:fs/promises";
import { DomainError, type PartitionPlace } from "@skrei/domain";
import { inputsFileOf, type InputShare, type SharedFile } from "../domain/inputs-file.ts";
import type { DividedInput } from "../ports.ts";

/** Merges what the storage-fetcher listed of each divided input into one file, which any user may read. */
export async function writeInputsFile(path: string, partition: PartitionPlace, inputs: readonly DividedInput[]): Promise<void> {
  const shares: InputShare[] = [];
  // One after the other, as a list may be long.
  for (const { filesPath, ...input } of inputs) shares.push({ ...input, ...(await readList(filesPath)) });
  await writeFile(path, inputsFileOf(partition, shares, FILE_BYTES_MAX), { mode: 0o444 });
}

type FileList = Pick<InputShare, "files" | "count" | "isCut">;

async function readList(path: string): Promise<FileList> {
  await using file = await open(path);
  const { size } = await file.stat();
  try {
    if (size > LIST_BYTES_MAX) return { files: [], count: await countAtEnd(file, size), isCut: true };
    const { files, count, isCut } = JSON.parse(await file.readFile("utf8")) as FileList;
    return { files: files.map(fileOf), count, isCut };
  } catch (error) {
    throw new DomainError("unavailable", "INTERNAL_ERROR", "the storage-fetcher's list of a partition's files cannot be read", {
      cause: error,
    });
  }
}

function fileOf({ path, sizeBytes, offset, sourceBytes }: SharedFile): SharedFile {
  return { path, sizeBytes, ...(offset !== undefined && { offset }), ...(sourceBytes !== undefined && { sourceBytes }) };
}

/** Of a list that is too long to be taken apart, which ends with its count. */
async function countAtEnd(file: FileHandle, sizeBytes: number): Promise<number> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(TAIL_BYTES), position: sizeBytes - TAIL_BYTES });
  const count = /"count":\s*(?<count>\d+)/u.exec(buffer.toString("utf8", 0, bytesRead))?.groups?.["count"];
  if (count === undefined) throw new Error("the list does not end with its count");
  return Number(count);
}

const FILE_BYTES_MAX = 10 * 1_024 * 1_024;
/** Half as much again as 100,000 files of usual names need. */
const LIST_BYTES_MAX = 16 * 1_024 * 1_024;
const TAIL_BYTES = 128;
