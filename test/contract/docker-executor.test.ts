import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { newNodeId, type DockerEngine } from "@skrei/domain";
import { createDockerExecutor } from "@skrei/compute-agent/docker-executor";
import type { Clock, Executor } from "@skrei/compute-agent/ports";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { shellScriptOf } from "../kit/program.ts";
import { describeExecutor } from "./executor-suite.ts";

const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };
const nodeId = newNodeId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) });
const secret = randomBytes(16).toString("hex");

function create(): Executor {
  return createDockerExecutor({ host: DOCKER_HOST, nodeId, secret, user: "65532:65532", holdersIdleMax: 2, pullTimeoutMs: 30_000, clock });
}

function busybox(script: string): DockerEngine {
  return { name: "docker", image: "busybox", entrypoint: ["sh", "-c"], parameters: [script], workingDirectory: "" };
}

describeExecutor("docker", {
  create,
  taskFor: (program) => ({ engine: busybox(shellScriptOf(program)) }),
  supports: { adoption: true, readOnlyMounts: true, memoryLimit: true },
  unpreparable: { engine: { ...busybox("true"), image: "localhost:1/no-such-image" }, reason: "IMAGE_PULL_FAILED" },
  caseTimeoutMs: 60_000,
});
