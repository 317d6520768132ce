import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newNodeId, type DockerEngine } from "@skrei/domain";
import { createDockerExecutor } from "@skrei/compute-agent/docker-executor";
import type { Clock, Executor } from "@skrei/compute-agent/ports";
import { afterAll } from "vitest";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { shellScriptOf } from "../kit/program.ts";
import { describeExecutor } from "./executor-suite.ts";

const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };
const nodeId = newNodeId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) });
const secret = randomBytes(16).toString("hex");
const slotsFolder = mkdtempSync(join(tmpdir(), "docker-executor-"));

function create(): Executor {
  const user = "65532:65532";
  return createDockerExecutor({ host: DOCKER_HOST, nodeId, secret, user, holdersIdleMax: 2, slotsFolder, pullTimeoutMs: 30_000, clock });
}

afterAll(() => rm(slotsFolder, { recursive: true }));

function busybox(script: string): DockerEngine {
  return { name: "docker", image: "busybox", entrypoint: ["sh", "-c"], parameters: [script], workingDirectory: "" };
}

describeExecutor("docker", {
  create,
  taskFor: (program) => ({ engine: busybox(shellScriptOf(program)) }),
  supports: { adoption: true, readOnlyMounts: true, hostData: true, memoryLimit: true },
  unpreparable: { engine: { ...busybox("true"), image: "localhost:1/no-such-image" }, reason: "IMAGE_PULL_FAILED" },
  caseTimeoutMs: 60_000,
});
