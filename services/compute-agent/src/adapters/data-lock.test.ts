import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimDataFolder } from "./data-lock.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "data-lock-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("gives each agent of one description a folder of its own, and a freed one again", () => {
  const template = join(root, "agents/{slot}");
  const [first, second] = [claimDataFolder(template), claimDataFolder(template)];
  expect([first.path, second.path]).toEqual([join(root, "agents/0"), join(root, "agents/1")]);
  first[Symbol.dispose]();
  using again = claimDataFolder(template);
  expect(again.path).toBe(join(root, "agents/0"));
  second[Symbol.dispose]();
});

test("refuses a folder that is in use when there is no slot to choose", () => {
  using first = claimDataFolder(join(root, "only"));
  expect(() => claimDataFolder(first.path)).toThrow(expect.objectContaining({ reason: "DATA_LOCKED" }));
});
