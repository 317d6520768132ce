import { type Reason, REASONS } from "@skrei/domain";
import { expect, test } from "vitest";
import { NO_NETWORK_USE, UseCount } from "./use-count.ts";

const denialOf = (host: string, message = "no") => ({ host, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message }) as const;

test("nothing is used at first", () => {
  expect(new UseCount().use).toEqual(NO_NETWORK_USE);
  expect(new UseCount().sentBytes).toBe(0);
});

test("requests, refusals and bytes are counted by host and in all", () => {
  const count = new UseCount();
  const first = count.allow("a.test", ".test");
  first.addSent(10);
  first.addReceived(100);
  count.deny(denialOf("b.test"));
  count.allow("a.test", "a.test").addSent(5);
  first.addSent(1);
  count.deny(denialOf("a.test", "cut"));
  expect(count.sentBytes).toBe(16);
  expect(count.use).toEqual({
    hosts: [
      {
        host: "a.test",
        requests: 2,
        denied: 1,
        sentBytes: 16,
        receivedBytes: 100,
        rule: "a.test",
        reason: "EGRESS_HOST_NOT_ON_JOB_LIST",
        message: "cut",
        denialReasons: ["EGRESS_HOST_NOT_ON_JOB_LIST"],
      },
      {
        host: "b.test",
        requests: 0,
        denied: 1,
        sentBytes: 0,
        receivedBytes: 0,
        rule: "",
        reason: "EGRESS_HOST_NOT_ON_JOB_LIST",
        message: "no",
        denialReasons: ["EGRESS_HOST_NOT_ON_JOB_LIST"],
      },
    ],
    requests: 2,
    denied: 2,
    sentBytes: 16,
    receivedBytes: 100,
  });
});

test("the first refusal of a host for each reason is worth telling, and no later one", () => {
  const count = new UseCount();
  const byPort = { host: "a.test", reason: "EGRESS_PORT_DENIED", message: "no such port" } as const;
  expect(count.deny(denialOf("a.test"))).toBe(true);
  expect(count.deny(denialOf("b.test"))).toBe(true);
  expect(count.deny(denialOf("a.test"))).toBe(false);
  expect(count.deny(byPort)).toBe(true);
  expect(count.deny(denialOf("a.test"))).toBe(false);
  expect(count.deny(byPort)).toBe(false);
  expect(count.use.hosts[0]).toMatchObject({ denied: 5, denialReasons: ["EGRESS_HOST_NOT_ON_JOB_LIST", "EGRESS_PORT_DENIED"] });
  count.allow("c.test", "c.test");
  expect(count.deny(denialOf("c.test"))).toBe(true);
  expect(new UseCount(count.use).deny(denialOf("c.test"))).toBe(false);
});

test("a host has eight reasons at most", () => {
  const count = new UseCount();
  const reasons = (Object.keys(REASONS) as Reason[]).filter((reason) => reason.startsWith("EGRESS_")).slice(0, 9);
  expect(reasons.map((reason) => count.deny({ host: "a.test", reason, message: "no" }))).toEqual(reasons.map((_, index) => index < 8));
  expect(count.use.hosts[0]?.denialReasons).toEqual(reasons.slice(0, 8));
});

test("what an origin failed is told with the host, and is no refusal", () => {
  const count = new UseCount();
  count.allow("a.test", "a.test");
  const before = count.revision;
  count.fail({ host: "a.test", reason: "EGRESS_ORIGIN_UNREACHABLE", message: "a.test cannot be connected to." });
  expect(count.revision).not.toBe(before);
  expect(count.use).toMatchObject({ requests: 1, denied: 0 });
  expect(count.use.hosts[0]).toEqual({
    host: "a.test",
    requests: 1,
    denied: 0,
    sentBytes: 0,
    receivedBytes: 0,
    rule: "a.test",
    reason: "EGRESS_ORIGIN_UNREACHABLE",
    message: "a.test cannot be connected to.",
    failed: 1,
  });
  const after = new UseCount(count.use);
  expect(after.use).toEqual(count.use);
  expect(after.deny(denialOf("a.test"))).toBe(true);
});

test("hosts beyond the 64th count in the totals only", () => {
  const count = new UseCount();
  for (let index = 0; index < 70; index += 1) count.allow(`n${index}.test`, ".test").addSent(1);
  expect(count.deny(denialOf("n69.test"))).toBe(false);
  expect(count.deny(denialOf("n63.test"))).toBe(true);
  const { hosts, requests, denied, sentBytes } = count.use;
  expect({ hosts: hosts.length, requests, denied, sentBytes }).toEqual({ hosts: 64, requests: 70, denied: 2, sentBytes: 70 });
  expect(hosts.at(-1)?.host).toBe("n63.test");
});

test("counting goes on after a restart, in the same order", () => {
  const before = new UseCount();
  before.allow("b.test", "b.test").addReceived(7);
  before.deny(denialOf("a.test"));
  const after = new UseCount(before.use);
  expect(after.use).toEqual(before.use);
  after.allow("b.test", "b.test").addReceived(3);
  expect(after.use.hosts.map(({ host, receivedBytes }) => [host, receivedBytes])).toEqual([
    ["b.test", 10],
    ["a.test", 0],
  ]);
  expect(before.use.receivedBytes).toBe(7);
});

test("each count changes the revision, and looking does not", () => {
  const count = new UseCount();
  const seen = [count.revision];
  const bytes = count.allow("a.test", "a.test");
  seen.push(count.revision);
  bytes.addSent(1);
  seen.push(count.revision);
  bytes.addReceived(1);
  seen.push(count.revision);
  count.deny(denialOf("a.test"));
  seen.push(count.revision);
  expect(new Set(seen).size).toBe(5);
  expect(count.use.requests).toBe(1);
  expect(count.revision).toBe(seen.at(-1));
});

test("what was handed out does not change any more", () => {
  const count = new UseCount();
  count.allow("a.test", "a.test").addSent(1);
  const { use } = count;
  count.allow("a.test", "a.test").addSent(1);
  expect(use).toMatchObject({ requests: 1, sentBytes: 1, hosts: [{ requests: 1 }] });
});
