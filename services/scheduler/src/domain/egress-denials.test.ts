import { expect, test } from "vitest";
import { anExecution, aUse } from "../../../../test/kit/scheduler-records.ts";
import { finalDenials, firstDenials } from "./egress-denials.ts";

const REASON = "EGRESS_HOST_NOT_ON_JOB_LIST";
const denied = (host: string, times: number): { host: string; denied: number; reason: string; message: string } => ({
  host,
  denied: times,
  reason: REASON,
  message: `${host} is not on the list`,
});

test("each host is told of at its first refusal, and not again", () => {
  const before = aUse({ host: "a.example", requests: 3 }, denied("b.example", 1));
  const after = aUse({ ...denied("a.example", 1), requests: 3 }, denied("b.example", 9), denied("c.example", 2));
  expect(firstDenials(undefined, before)).toEqual([{ reason: REASON, message: "b.example is not on the list" }]);
  expect(firstDenials(before, after).map(({ message }) => message)).toEqual([
    "a.example is not on the list",
    "c.example is not on the list",
  ]);
  expect(firstDenials(after, after)).toEqual([]);
  expect(firstDenials(before, undefined)).toEqual([]);
});

test("each reason of a host is told of once, in whatever order refusals and failures come", () => {
  const reasons = [REASON, "EGRESS_PORT_DENIED", "EGRESS_TLS_REQUIRED"];
  const before = aUse({ ...denied("a.example", 1), denialReasons: reasons.slice(0, 1) });
  const after = aUse({ ...denied("a.example", 3), reason: "EGRESS_TLS_REQUIRED", message: "a.example: no TLS", denialReasons: reasons });
  expect(firstDenials(before, after)).toEqual([
    { reason: "EGRESS_PORT_DENIED", message: "Requests to a.example were refused: EGRESS_PORT_DENIED." },
    { reason: "EGRESS_TLS_REQUIRED", message: "a.example: no TLS" },
  ]);
  const again = aUse({ ...denied("a.example", 4), denialReasons: reasons });
  expect(firstDenials(after, again)).toEqual([]);
  expect(firstDenials(aUse(denied("a.example", 1)), after).map(({ reason }) => reason)).toEqual(reasons.slice(1));
});

test("a failure of the origin is no refusal, and its words do not stand for one", () => {
  const failure = { reason: "EGRESS_ORIGIN_TIMEOUT", message: "a.example did not answer", requests: 1, failed: 1 };
  expect(firstDenials(undefined, aUse({ host: "a.example", ...failure }))).toEqual([]);
  const both = aUse({ host: "a.example", denied: 2, ...failure, denialReasons: [REASON] });
  expect(firstDenials(undefined, both)).toEqual([{ reason: REASON, message: `Requests to a.example were refused: ${REASON}.` }]);
  expect(finalDenials(anExecution({ networkUse: both }))).toEqual([{ reason: REASON, message: "2 requests to a.example were refused." }]);
});

test("a message that does not name its host is made to, and one that is too long is cut", () => {
  const after = aUse(
    { ...denied("a.example", 1), message: "not on the list" },
    { host: "b.example", denied: 1 },
    { ...denied("c", 1), message: "c".repeat(9_999) },
  );
  const [first, second, third] = firstDenials(undefined, after);
  expect(first?.message).toBe("a.example: not on the list");
  expect(second).toEqual({ message: "A request to b.example was refused." });
  expect(third?.message).toHaveLength(1_024);
});

test("hosts beyond the list are told of once, all together", () => {
  const before = aUse(...Array.from({ length: 64 }, (_, i) => denied(`h${i}.example`, 1)));
  const after = { ...before, denied: 69 };
  expect(firstDenials(undefined, after)).toHaveLength(65);
  expect(firstDenials(before, after)).toEqual([{ message: "Requests to further hosts were refused." }]);
  expect(firstDenials(after, { ...after, denied: 90 })).toEqual([]);
  expect(finalDenials(anExecution({ networkUse: after }))).toEqual([{ message: "5 requests to further hosts were refused." }]);
});

test("the end tells the sum of what was refused more than once", () => {
  expect(finalDenials(anExecution())).toEqual([]);
  expect(finalDenials(anExecution({ networkUse: aUse(denied("a.example", 1), denied("b.example", 1)) }))).toEqual([]);
  expect(finalDenials(anExecution({ networkUse: aUse(denied("a.example", 17), denied("b.example", 1)) }))).toEqual([
    { reason: REASON, message: "17 requests to a.example were refused, the last one: a.example is not on the list" },
  ]);
});
