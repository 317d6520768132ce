import { expect, test } from "vitest";
import { quotaDenial } from "./quota-denial.ts";

const JOB_HINT = "Send less, or ask for more: --egress-max, network.egressBytesMax of the job";
const NODE_HINT = "Send less, or ask the node's operator for a larger egressBytesMax.";

test.each([
  ["no limit", { jobMax: 0, nodeMax: 0, sentBytes: 2 ** 40, bytes: 9 }],
  ["what just fits", { jobMax: 100, nodeMax: 0, sentBytes: 90, bytes: 10 }],
  ["what fits both", { jobMax: 200, nodeMax: 100, sentBytes: 90, bytes: 10 }],
])("lets %s through", (_, question) => {
  expect(quotaDenial("a.test", question)).toBeUndefined();
});

test.each([
  [
    { jobMax: 100, nodeMax: 0, sentBytes: 90, bytes: 20 },
    "The execution has sent 90 bytes, and 20 more to a.test would be over 100, the limit of the job.",
    `${JOB_HINT}.`,
  ],
  [
    { jobMax: 100, nodeMax: 1_000, sentBytes: 90, bytes: 20 },
    "The execution has sent 90 bytes, and 20 more to a.test would be over 100, the limit of the job.",
    `${JOB_HINT}, up to the 1000 of this node.`,
  ],
  [
    { jobMax: 0, nodeMax: 100, sentBytes: 0, bytes: 101 },
    "The execution has sent 0 bytes, and 101 more to a.test would be over 100, the limit of this node.",
    NODE_HINT,
  ],
  [
    { jobMax: 100, nodeMax: 100, sentBytes: 100, bytes: 1 },
    "The execution has sent 100 bytes, and 100 is the limit of this node.",
    NODE_HINT,
  ],
  [{ jobMax: 8, nodeMax: 0, sentBytes: 9, bytes: 64 }, "The execution has sent 9 bytes, and 8 is the limit of the job.", `${JOB_HINT}.`],
])("of %o says how much, whose limit, and what to change", (question, message, hint) => {
  expect(quotaDenial("a.test", question)).toEqual({ verdict: "deny", host: "a.test", reason: "EGRESS_QUOTA_EXCEEDED", message, hint });
});
