import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

/** A guard that was never seen to fail is not a guard: each of these imports must be refused where it stands. */
const FORBIDDEN: readonly (readonly [file: string, line: string])[] = [
  ["services/shared/domain/src/bad-node.ts", 'import { readFileSync } from "node:fs"; export const x = readFileSync;'],
  ["services/shared/domain/src/bad-clock.ts", "export const x = Date.now();"],
  ["services/scheduler/src/domain/bad-node.ts", 'import { readFile } from "node:fs/promises"; export const x = readFile;'],
  ["services/scheduler/src/domain/bad-zod.ts", 'import { z } from "zod"; export const x = z;'],
  ["services/scheduler/src/domain/bad-ports.ts", 'import type { StateStore } from "../ports.ts"; export type X = StateStore;'],
  [
    "services/scheduler/src/domain/bad-proto.ts",
    'import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts"; export const x = JobSchema;',
  ],
  ["services/scheduler/src/domain/bad-random.ts", "export const x = Math.random();"],
  ["services/scheduler/src/loops/bad-adapter.ts", 'import { x } from "../adapters/redis-state-store.ts"; export const y = x;'],
  ["services/scheduler/src/loops/bad-library.ts", 'import { Redis } from "ioredis"; export const x = Redis;'],
  ["services/scheduler/src/api/bad-adapter.ts", 'import { x } from "../adapters/redis-state-store.ts"; export const y = x;'],
  ["services/scheduler/src/api/bad-service.ts", 'import { x } from "@skrei/publisher/service"; export const y = x;'],
  ["services/scheduler/src/adapters/bad-loop.ts", 'import { x } from "../loops/leader.ts"; export const y = x;'],
  ["services/publisher/src/adapters/bad-service.ts", 'import { x } from "@skrei/scheduler/service"; export const y = x;'],
  ["services/shared/platform/src/bad-service.ts", 'import { x } from "@skrei/scheduler/service"; export const y = x;'],
  ["services/shared/s3/src/bad-service.ts", 'import { x } from "@skrei/storage-fetcher/service"; export const y = x;'],
  ["services/publisher/src/adapters/bad-way-round.ts", 'import { x } from "../../../scheduler/src/domain/retry.ts"; export const y = x;'],
  ["cli/src/bad-service.ts", 'import { x } from "@skrei/scheduler/service"; export const y = x;'],
  ["cli/src/bad-library.ts", 'import { Redis } from "ioredis"; export const x = Redis;'],
];

const root = join(import.meta.dirname, "../..");
let house = "";

beforeAll(async () => {
  house = await mkdtemp(join(tmpdir(), "walls-"));
  await cp(join(root, ".oxlintrc.json"), join(house, ".oxlintrc.json"));
  for (const [file, line] of FORBIDDEN) {
    await mkdir(dirname(join(house, file)), { recursive: true });
    await writeFile(join(house, file), `${line}\n`);
  }
});
afterAll(() => rm(house, { recursive: true, force: true }));

test.each(FORBIDDEN)("%s may not say: %s", async (file) => {
  const run = promisify(execFile)(join(root, "node_modules/.bin/oxlint"), ["--format=unix", file], { cwd: house });
  const { stdout } = (await run.catch((error: unknown) => error)) as { stdout: string };
  expect(stdout).toMatch(/no-restricted-(imports|properties|globals)/u);
});
