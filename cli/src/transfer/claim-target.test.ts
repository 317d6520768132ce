import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimTarget, PARTS_FOLDER } from "./claim-target.ts";

let target = "";
beforeEach(() => {
  target = mkdtempSync(join(tmpdir(), "skrei-claim-"));
});
afterEach(() => {
  rmSync(target, { recursive: true, force: true });
});

/** A process of its own that holds the folder until it is killed. */
async function holder(): Promise<{ readonly pid: number; kill(): Promise<void> }> {
  const module = fileURLToPath(new URL("./claim-target.ts", import.meta.url));
  const script = `import { claimTarget } from ${JSON.stringify(module)}; globalThis.claim = claimTarget(${JSON.stringify(target)}); console.log("held"); setInterval(() => globalThis.claim, 60_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test("a folder that a process downloads into is refused to any other, which names it; once that was killed, it is free", async () => {
  const other = await holder();
  try {
    expect(() => claimTarget(target)).toThrow(
      expect.objectContaining({ kind: "conflict", reason: "DATA_LOCKED", message: expect.stringContaining(`process ${other.pid}`) }),
    );
  } finally {
    await other.kill();
  }
  using claim = claimTarget(target);
  expect(() => claimTarget(target)).toThrow(expect.objectContaining({ message: expect.stringContaining(`process ${process.pid}`) }));
  void claim;
});

test("leaves nothing behind but what was not whole", () => {
  claimTarget(target)[Symbol.dispose]();
  expect(readdirSync(target)).toEqual([]);
  const claim = claimTarget(target);
  writeFileSync(join(claim.partsFolder, "half"), "x");
  claim[Symbol.dispose]();
  expect(readdirSync(join(target, PARTS_FOLDER))).toEqual(["half"]);
});

test("never goes through a link that stands where the parts belong", () => {
  mkdirSync(join(target, "elsewhere"));
  symlinkSync(join(target, "elsewhere"), join(target, PARTS_FOLDER));
  expect(() => claimTarget(target)).toThrow(/is no folder/u);
  expect(readdirSync(join(target, "elsewhere"))).toEqual([]);
});
