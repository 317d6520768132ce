import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolders } from "./make-folders.ts";

const folder = mkdtempSync(join(tmpdir(), "skrei-folders-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("makes a folder and all above it, and leaves what is there", () => {
  makeFolders(join(folder, "a", "b", "c"), { mode: 0o700 });
  makeFolders(join(folder, "a", "b", "c"));
  expect(statSync(join(folder, "a", "b", "c")).mode & 0o777).toBe(0o700);
});

test("ends with the system's refusal where nothing can be made", () => {
  expect(() => makeFolders("/proc/skrei/deep")).toThrow(/ENOENT/u);
});

test("refuses a file, and a link that leads nowhere, in the folder's place", () => {
  writeFileSync(join(folder, "file"), "");
  symlinkSync(join(folder, "nowhere", "deep"), join(folder, "link"));
  expect(() => makeFolders(join(folder, "file"))).toThrow(/EEXIST/u);
  expect(() => makeFolders(join(folder, "file", "below"))).toThrow(/ENOTDIR/u);
  expect(() => makeFolders(join(folder, "link"))).toThrow(/EEXIST/u);
});
