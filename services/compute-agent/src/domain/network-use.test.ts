import { expect, test } from "vitest";
import { isNewUse } from "./network-use.ts";

const known = { hosts: [], requests: 3, denied: 1, sentBytes: 100, receivedBytes: 200 };

test.each([
  ["more requests", { ...known, requests: 4 }, true],
  ["a first refusal", { ...known, denied: 2 }, true],
  ["more bytes out", { ...known, sentBytes: 101 }, true],
  ["more bytes in, after a proxy that was killed lost others", { ...known, sentBytes: 90, receivedBytes: 201 }, true],
  [
    "a failure of the origin",
    { ...known, hosts: [{ ...known, host: "a.test", rule: "", reason: "EGRESS_ORIGIN_TIMEOUT", message: "", failed: 1 }] },
    true,
  ],
  ["the same again", { ...known }, false],
  ["what is older", { ...known, requests: 2, receivedBytes: 100 }, false],
])("whether it is news: %s", (_, next, isNew) => {
  expect(isNewUse(known, next)).toBe(isNew);
});

test("a door through which nothing went is no news", () => {
  expect(isNewUse(undefined, { hosts: [], requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 })).toBe(false);
  expect(isNewUse(undefined, known)).toBe(true);
});
