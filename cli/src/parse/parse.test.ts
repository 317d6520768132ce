import { DomainError } from "@skrei/domain";
import { expect, test } from "vitest";
import { nearest } from "./did-you-mean.ts";
import { formatBytes, parseBytes } from "./parse-bytes.ts";
import { parseConstraints } from "./parse-constraints.ts";
import { formatCpu, parseCpu } from "./parse-cpu.ts";
import { formatDuration, parseDuration } from "./parse-duration.ts";
import { integerBetween } from "./parse-integer.ts";
import { parseKeyValue } from "./parse-key-value.ts";
import { parseOutputPath } from "./parse-output-path.ts";

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof DomainError) return [error.message, error.metadata["hint"]].filter((part) => part !== undefined).join(" ");
    throw error;
  }
  return "accepted";
};

test.for([
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["250ms", 250],
  ["1.5h", 5_400_000],
  ["2d", 172_800_000],
] as const)("reads the duration %s", ([text, durationMs]) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test.for(["10 minutes", "900", "", "m", "-5s", "1h30", "9999999d"])("refuses the duration %j and shows a right one", (text) => {
  expect(refusal(() => parseDuration(text))).toMatch(/is not a duration/u);
});

test.for([
  [250, "250ms"],
  [2_340, "2.3s"],
  [90_000, "1m30s"],
  [5_400_000, "1h30m"],
] as const)("writes %d ms as %s", ([durationMs, text]) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test.for([
  ["512MB", 512_000_000],
  ["1.5GiB", 1_610_612_736],
  ["128Mi", 134_217_728],
  ["2gb", 2_000_000_000],
  ["1 G", 1_000_000_000],
  ["4096", 4_096],
] as const)("reads the size %s", ([text, sizeBytes]) => {
  expect(parseBytes(text)).toBe(sizeBytes);
});

test.for(["", "12x", "-1MB", "1.5.2G", "5i", "99999999PB"])("refuses the size %j and shows right ones", (text) => {
  expect(refusal(() => parseBytes(text))).toMatch(/is not a size such as 512MB/u);
});

test("writes sizes in decimal units", () => {
  expect([0, 999, 1_000, 1_234_567, 999_600, 500_000_000].map(formatBytes)).toEqual(["0B", "999B", "1kB", "1.2MB", "1MB", "500MB"]);
});

test.for([
  ["500m", 500],
  ["0.5", 500],
  ["2", 2_000],
  ["0.1", 100],
] as const)("reads %s of cpu", ([text, cpuMillis]) => {
  expect(parseCpu(text)).toBe(cpuMillis);
});

test.for(["", "0", "two", "-1", "1e3"])("refuses %j of cpu", (text) => {
  expect(refusal(() => parseCpu(text))).toMatch(/is not an amount of cpu/u);
});

test("writes cpu below one core in thousandths", () => {
  expect([500, 1_000, 2_500].map(formatCpu)).toEqual(["500m", "1", "2.5"]);
});

test("refuses numbers out of range, and names the range", () => {
  expect(refusal(() => integerBetween(1, 20)("21"))).toBe('"21" is not a whole number from 1 to 20.');
  expect(refusal(() => integerBetween(1, 20)("1.5"))).toMatch(/whole number/u);
});

test("keeps every = after the first in a value", () => {
  expect(parseKeyValue("A=b=c")).toEqual(["A", "b=c"]);
  expect(refusal(() => parseKeyValue("=x"))).toMatch(/KEY=VALUE/u);
});

test("names an output by its folder when no name is given", () => {
  expect(parseOutputPath("out:/data/out")).toEqual({ name: "out", path: "/data/out" });
  expect(parseOutputPath("/data/out")).toEqual({ name: "out", path: "/data/out" });
  expect(refusal(() => parseOutputPath("out:relative"))).toMatch(/absolute/u);
});

test("reads Kubernetes' selector grammar", () => {
  expect(parseConstraints("zone=b, disk!=hdd,region in (eu-1, eu-2),gpu,!old,cores>4")).toEqual([
    { key: "zone", operator: "=", values: ["b"] },
    { key: "disk", operator: "!=", values: ["hdd"] },
    { key: "region", operator: "in", values: ["eu-1", "eu-2"] },
    { key: "gpu", operator: "exists", values: [] },
    { key: "old", operator: "!", values: [] },
    { key: "cores", operator: "gt", values: ["4"] },
  ]);
  expect(refusal(() => parseConstraints("a=b,,c"))).toMatch(/is not a constraint/u);
  expect(refusal(() => parseConstraints("cores>many"))).toMatch(/whole numbers/u);
});

test("suggests the nearest word, and none that is far", () => {
  expect(nearest("jbo", ["job", "node", "run"])).toBe("job");
  expect(nearest("resource", ["Resources", "ResultPaths"])).toBe("Resources");
  expect(nearest("zzz", ["job", "node"])).toBeUndefined();
});
