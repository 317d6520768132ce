import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../testdata/main.ts", import.meta.url));

test("starts, logs its configuration without secrets, and stops on SIGTERM with 0", async () => {
  await using run = await launch("--access-token", "geheim");
  await run.says("started");
  run.child.kill("SIGTERM");
  expect(await run.exit()).toBe(0);
  expect(run.output()).toContain('"failure":{"value":"none","source":"default"},"accessToken":"[redacted]"');
  expect(run.output()).not.toContain("geheim");
  expect(run.output()).toContain('"event":"service.stopped"');
});

test.each(["--help", "-h"])("%s prints what can be set, to stdout, and starts nothing", async (flag) => {
  await using run = await launch(flag);
  expect(await run.exit()).toBe(0);
  expect(run.output()).toMatch(/^--access-token.*\n {4}SKREI_SAMPLE_ACCESS_TOKEN$/mu);
  expect(run.output()).not.toContain("service.configured");
  expect(run.errors()).toBe("");
});

test("exits 78 and lists the problems of a bad configuration", async () => {
  await using run = await launch("--failure", "often", "--acess-token", "x");
  expect(await run.exit()).toBe(78);
  expect(run.errors()).toContain("skrei sample: the configuration has 2 problems (CONFIG_INVALID)");
  expect(run.errors()).toContain("did you mean --access-token?");
});

test("exits 1 with one clear message when the start fails", async () => {
  await using run = await launch("--failure", "start");
  expect(await run.exit()).toBe(1);
  expect(run.errors()).toBe("skrei sample: another process listens on 127.0.0.1:1 (PORT_IN_USE)\n  hint: stop it\n");
});

test("exits 1 when the stop fails or takes too long", async () => {
  for (const failure of ["stop", "hang"]) {
    await using run = await launch("--failure", failure);
    await run.says("started");
    run.child.kill("SIGINT");
    expect(await run.exit()).toBe(1);
  }
});

test("a second signal exits at once", async () => {
  await using run = await launch("--failure", "hang");
  await run.says("started");
  run.child.kill("SIGINT");
  await run.says('"stopping"');
  run.child.kill("SIGINT");
  expect(await run.exit()).toBe(130);
});

async function launch(...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout?.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (err += data.toString()));
  const exited = once(child, "close") as Promise<[number | null]>;
  return {
    child,
    output: () => out,
    errors: () => err,
    exit: async () => (await exited)[0],
    says: async (text: string): Promise<void> => {
      while (!out.includes(text))
        await Promise.race([
          once(child.stdout ?? child, "data"),
          exited.then(() => Promise.reject(new Error(`ended without "${text}": ${out}${err}`))),
        ]);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
