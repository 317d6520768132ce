import { expect, test } from "vitest";
import { fillTargetName } from "./target-name.ts";

const result = { jobId: "j-1", executionId: "e-2", nodeId: "n-3", partition: 4, endedAtMs: Date.UTC(2026, 10, 2, 3, 4, 5, 678) };

test("fills every placeholder, as often as it stands there", () => {
  expect(fillTargetName("r/{jobID}/{partition}-{executionID}.{nodeID}/{date}T{time}/{jobID}", result)).toBe(
    "r/j-1/4-e-2.n-3/20261102T030405/j-1",
  );
});

test.each(["../etc", "a/b\n\u{1B}", "{jobID}"])("lets a value like %j lead nowhere", (value) => {
  expect(fillTargetName("x/{jobID}/y", { ...result, jobId: value })).toMatch(/^x\/[\w.-]+\/y$/u);
});

test.each(["{jobID", "{unknown}/a", "a//b", "a/../b", "./a", "a/{x{jobID}}", "a\nb", "..", "", "/", "{}"])("refuses %j", (template) => {
  expect(fillTargetName(template, result)).toBeUndefined();
});

test("refuses a value that is a name for another folder", () => {
  expect(fillTargetName("a/{jobID}/b", { ...result, jobId: ".." })).toBeUndefined();
});
