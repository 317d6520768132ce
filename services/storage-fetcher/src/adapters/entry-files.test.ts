import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fingerprintOf } from "./entry-files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-entry-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("an entry that is a link is none, and one that contains links is", async () => {
  mkdirSync(join(folder, "entry"));
  writeFileSync(join(folder, "entry", "file"), "x");
  symlinkSync("/etc/passwd", join(folder, "entry", "inner"));
  symlinkSync(join(folder, "entry"), join(folder, "link"));
  expect(await fingerprintOf(join(folder, "entry"))).toMatch(/^[0-9a-f]{64}$/u);
  expect(await fingerprintOf(join(folder, "link"))).toBeUndefined();
  expect(await fingerprintOf(join(folder, "missing"))).toBeUndefined();
});
