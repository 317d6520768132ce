import { hasReason } from "@skrei/domain";
import type { DomainError, Job, JobId } from "@skrei/domain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { closestNames } from "./closest-names.ts";
import { indexedPart, matchesJobFilter, parseJobFilter } from "./job-filter.ts";

const job = {
  id: "j-01abcd" as JobId,
  state: "failed",
  spec: { name: "sqlite-Orders", namespace: "web", labels: { team: "a", tier: "" }, task: { engine: { name: "docker" } } },
} as unknown as Job;

describe("a job filter", () => {
  test.each([
    ["", true],
    ["  ", true],
    ["state:failed", true],
    ["state:running", false],
    ["state:running|failed", true],
    ["!state:failed", false],
    ["!state:running|queued", true],
    ["state:failed ns:web engine:docker label:team=a orders", true],
    ["state:failed ns:other", false],
    ["label:team", true],
    ["label:team=b", false],
    ["label:team=b|a", true],
    ["label:team=b|tier=", true],
    ["label:toString", false],
    ["id:j-01ab", true],
    ["id:j-02", false],
    ["name:sqlite-Orders", true],
    ["name:sqlite", false],
    ["ORDERS", true],
    ["j-01", true],
    ["!orders", false],
    ["nope|orders", true],
  ])("%j says %s", (text, isMatch) => {
    expect(matchesJobFilter(parseJobFilter(text), job)).toBe(isMatch);
  });

  test.each([
    ["stat:failed", "1", 'unknown key "stat" at column 1'],
    ["a  !stat:failed", "5", 'unknown key "stat" at column 5'],
    ["state:faild", "7", 'unknown state "faild" at column 7'],
    ["ns:", "4", "a value is missing at column 4"],
    ["ns:a||b", "4", "a value is missing at column 4"],
    ["text:a", "1", 'unknown key "text"'],
    ["__proto__:a", "1", 'unknown key "__proto__"'],
    ["a ".repeat(33), "64", "33 terms"],
    ["x".repeat(1_025), "1025", "1025 characters"],
  ])("%j is refused at column %s", (text, column, message) => {
    const error = thrownBy(() => parseJobFilter(text));
    expect(hasReason(error, "FILTER_INVALID")).toBe(true);
    expect(error.metadata).toMatchObject({ column, keys: "state,label,ns,engine,id,name" });
    expect(error.message).toContain(message);
  });

  test("never throws anything else", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const error = thrownBy(() => matchesJobFilter(parseJobFilter(text), job));
        expect(error === undefined || hasReason(error, "FILTER_INVALID")).toBe(true);
      }),
    );
  });

  test("leaves to the indexes what they can answer, and never loses a match by it", () => {
    expect(indexedPart(parseJobFilter("state:failed|queued !state:queued ns:web id:j-01"))).toEqual({
      states: ["failed"],
      namespace: "web",
      idPrefix: "j-01",
      isEmpty: false,
    });
    expect(indexedPart(parseJobFilter("ns:a|b !ns:c"))).toEqual({ states: [], namespace: undefined, idPrefix: undefined, isEmpty: false });
    expect(indexedPart(parseJobFilter("state:failed state:queued")).isEmpty).toBe(true);
  });
});

test("the closest names are those that were probably meant", () => {
  const jobs = [
    { id: "j-77b3f4a", name: "sqlite-orders" },
    { id: "j-77c01b2", name: "resize" },
    { id: "j-900", name: "other" },
  ];
  expect(closestNames("sqlite", jobs).map(({ name }) => name)).toEqual(["sqlite-orders"]);
  expect(closestNames("j-77b4", jobs).map(({ id }) => id)).toEqual(["j-77b3f4a", "j-77c01b2"]);
  expect(closestNames("resise", jobs).map(({ name }) => name)).toEqual(["resize"]);
  expect(closestNames("nothing-like-it", jobs)).toEqual([]);
});

function thrownBy(act: () => unknown): DomainError {
  try {
    act();
  } catch (error) {
    return error as DomainError;
  }
  return undefined as unknown as DomainError;
}
