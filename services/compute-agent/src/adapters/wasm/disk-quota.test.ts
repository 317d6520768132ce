import { closeSync, linkSync, lstatSync, mkdtempSync, openSync, rmSync, unlinkSync, writeFileSync, type BigIntStats } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DiskQuota } from "./disk-quota.ts";

let folder: string;
let quota: DiskQuota;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "disk-quota-"));
  quota = new DiskQuota({ bytesMax: 1_000, entriesMax: 3 });
});

afterEach(() => rmSync(folder, { recursive: true }));

test("grants what is left, then refuses", () => {
  expect(quota.take(600)).toBe(600);
  expect(quota.wasExceeded).toBe(false);
  expect(quota.take(600)).toBe(400);
  expect(quota.wasExceeded).toBe(true);
  expect(() => quota.take(1)).toThrow("ENOSPC");
});

test("gives back the bytes of a file when its last name goes", () => {
  const path = fileOf(1_000);
  linkSync(path, join(folder, "second"));
  quota.take(1_000);
  unlink(path);
  expect(() => quota.take(1)).toThrow("ENOSPC");
  unlink(join(folder, "second"));
  expect(quota.take(1_000)).toBe(1_000);
});

test("counts a file without a name for as long as it is open", () => {
  const path = fileOf(1_000);
  quota.take(1_000);
  const fd = openSync(path, "r");
  const stat = statOf(path);
  quota.opened(stat);
  unlink(path);
  expect(() => quota.take(1)).toThrow("ENOSPC");
  quota.closed(stat);
  closeSync(fd);
  expect(quota.take(1_000)).toBe(1_000);
});

test("bounds the number of entries, those that were there included", () => {
  fileOf(10);
  quota.countFolder(folder);
  quota.takeEntry();
  quota.takeEntry();
  expect(() => quota.takeEntry()).toThrow("ENOSPC");
  quota.giveEntry();
  quota.takeEntry();
});

function fileOf(sizeBytes: number): string {
  const path = join(folder, "file");
  writeFileSync(path, Buffer.alloc(sizeBytes));
  return path;
}

function statOf(path: string): BigIntStats {
  return lstatSync(path, { bigint: true });
}

function unlink(path: string): void {
  const stat = statOf(path);
  unlinkSync(path);
  quota.unlinked(stat);
}
