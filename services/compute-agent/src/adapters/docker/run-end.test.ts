import type { ContainerInspectInfo } from "dockerode";
import { expect, test } from "vitest";
import type { RunSpec } from "../../ports.ts";
import { runEnd } from "./run-end.ts";

const SPEC = { limits: { memoryBytes: 1, diskBytes: 1 } } as unknown as RunSpec;

function ended(state: Partial<ContainerInspectInfo["State"]>): ContainerInspectInfo {
  return {
    Image: "sha256:1",
    State: { ExitCode: 0, OOMKilled: false, StartedAt: "", FinishedAt: "", ...state },
  } as unknown as ContainerInspectInfo;
}

test("never ends before it starts, though the engine's two times say so", () => {
  const info = ended({ StartedAt: "2026-11-22T03:00:00.003Z", FinishedAt: "2026-11-22T03:00:00.001Z" });
  const { startedAtMs, endedAtMs } = runEnd(SPEC, info, { isOverDisk: false, isOutside: false, nowMs: 0 });
  expect(endedAtMs).toBe(startedAtMs);
});

test("calls an out-of-memory kill of a child no failure when the task itself succeeded", () => {
  expect(runEnd(SPEC, ended({ OOMKilled: true }), { isOverDisk: false, isOutside: false, nowMs: 0 }).failure).toBeUndefined();
  expect(runEnd(SPEC, ended({ OOMKilled: true, ExitCode: 137 }), { isOverDisk: false, isOutside: false, nowMs: 0 }).failure).toMatchObject({
    reason: "OUT_OF_MEMORY",
  });
});
