import { DomainError, type Reason } from "@skrei/domain";
import { expect, test } from "vitest";
import { failureOfRun, verdictAfterLaunch, verdictBeforeRun } from "./failure-verdict.ts";

const end = { exitCode: 0, failure: undefined, startedAtMs: 1, endedAtMs: 2, peakMemoryBytes: 0, imageDigest: "sha256:0" };

test.each([
  ["notFound", "IMAGE_NOT_FOUND", "failed", "user"],
  ["notFound", "COMMAND_NOT_FOUND", "failed", "user"],
  ["invalid", "MODULE_INVALID", "failed", "user"],
  ["notFound", "SOURCE_UNREACHABLE", "failed", "user"],
  ["unavailable", "SOURCE_UNREACHABLE", "refused", "infrastructure"],
  ["timeout", "SOURCE_UNREACHABLE", "refused", "infrastructure"],
  ["corrupt", "SOURCE_DIGEST_MISMATCH", "failed", "user"],
  ["exhausted", "SOURCE_TOO_LARGE", "failed", "resource"],
  ["forbidden", "SOURCE_NOT_ALLOWED", "refused", "infrastructure"],
  ["unavailable", "IMAGE_PULL_FAILED", "refused", "infrastructure"],
  ["exhausted", "CACHE_FULL", "refused", "infrastructure"],
  ["unavailable", "ENGINE_FAILED", "refused", "infrastructure"],
  ["precondition", "NETWORK_MODE_NOT_OFFERED", "refused", "infrastructure"],
  ["precondition", "NETWORK_DOMAIN_NOT_ALLOWED", "refused", "infrastructure"],
  ["unavailable", "DOOR_FAILED", "refused", "infrastructure"],
] as const)("%s/%s before the run is %s by class %s", (kind, reason, event, failureClass) => {
  const verdict = verdictBeforeRun(new DomainError(kind, reason, "in a sentence", { hint: "do this" }));
  expect(verdict).toEqual({ event, failure: { class: failureClass, reason, message: "in a sentence", hint: "do this" } });
});

test("a bug of the node is not the task's fault, and its words stay inside", () => {
  expect(verdictBeforeRun(new TypeError("x is undefined"))).toMatchObject({
    event: "refused",
    failure: { class: "infrastructure", reason: "ENGINE_FAILED" },
  });
  expect(verdictBeforeRun(new TypeError("x is undefined")).failure.message).not.toContain("undefined");
});

test("after the launch everything is a failure", () => {
  expect(verdictAfterLaunch(new DomainError("unavailable", "ENGINE_FAILED", "gone"))).toMatchObject({
    event: "failed",
    failure: { class: "infrastructure" },
  });
});

test("only exit code 0 is a success", () => {
  expect(failureOfRun(end, "")).toBeUndefined();
  expect(failureOfRun({ ...end, exitCode: 2 }, "no file")).toMatchObject({
    class: "user",
    reason: "EXIT_NONZERO",
    message: "the task ended with exit code 2: no file",
  });
});

test("the engine's own failure wins over the exit code", () => {
  const failure = { class: "resource", reason: "OUT_OF_MEMORY" satisfies Reason, message: "used 65 MiB of 64 MiB", hint: "" } as const;
  expect(failureOfRun({ ...end, exitCode: 137, failure }, "Killed")).toBe(failure);
});
