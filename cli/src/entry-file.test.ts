import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ENTRY = fileURLToPath(new URL("../bin/skrei.js", import.meta.url));

function runAs(version: string): Promise<{ code: unknown; stderr: string }> {
  const pretend = `Object.defineProperty(process.versions, "node", { value: "${version}" })`;
  const words = ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, ENTRY, "--help"];
  return new Promise((resolve) => {
    execFile(process.execPath, words, (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }));
  });
}

test.for(["20.20.2", "24.11.0"])("names the Node that is needed when run by Node %s", async (version) => {
  const { code, stderr } = await runAs(version);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: Skrei needs Node 24\.12 or newer, this is v/u);
  expect(stderr).toMatch(/^ {2}fix: Install it from/mu);
});

test("is written for any Node: nothing that would be a syntax error there hides what is said", async () => {
  const text = await readFile(ENTRY, "utf8");
  expect(text).not.toMatch(/\bawait\b(?!:)|\?\?|\?\.|import \{/u);
  expect(await runAs("24.12.0")).toEqual({ code: 0, stderr: "" });
});
