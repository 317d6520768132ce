import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { NO_NETWORK, Violations } from "@skrei/domain";
import { NetworkSchema, Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { describe, expect, test } from "vitest";
import { draftNetwork } from "./draft-network.ts";

function draft(init: MessageInitShape<typeof NetworkSchema>) {
  const violations = new Violations();
  const network = draftNetwork(create(NetworkSchema, init), violations);
  return { network, problems: violations.all };
}
const draftList = (...domains: readonly string[]) => draft({ mode: Network_Mode.HTTP, domains: [...domains] });

describe("a job's list", () => {
  test.each([
    ["upper case", "EXAMPLE.com", "example.com"],
    ["a final dot", "example.com.", "example.com"],
    ["letters beyond ASCII", ".Bücher.example", ".xn--bcher-kva.example"],
    ["full-width letters", "ｅｘａｍｐｌｅ.com", "example.com"],
    ["an ideographic dot", "example。com", "example.com"],
    ["an underscore", "my_bucket.s3.amazonaws.com", "my_bucket.s3.amazonaws.com"],
    ["an IPv4 address", "192.0.2.7", "192.0.2.7"],
    ["an IPv6 address", "2001:db8::7", "2001:db8::7"],
    ["an IPv6 address in brackets", "[2001:db8::7]", "2001:db8::7"],
    ["a name below an unknown top level", ".allowed.test", ".allowed.test"],
    ["a private suffix that is a site itself", "github.io", "github.io"],
    ["an exception of the suffix list", ".www.ck", ".www.ck"],
  ])("is stored in canonical form: %s", (_, text, canonical) => {
    expect(draftList(text)).toEqual({ network: { mode: "http", domains: [canonical], egressBytesMax: 0 }, problems: [] });
  });

  test.each([
    [["a.com", "a.com", "A.COM."], ["a.com"]],
    [[".foo.com", "x.foo.com", "foo.com", ".y.foo.com"], [".foo.com"]],
    [
      ["x.foo.com", "foo.com", ".foo.com", "bar.com"],
      [".foo.com", "bar.com"],
    ],
    [
      ["notfoo.com", ".foo.com"],
      ["notfoo.com", ".foo.com"],
    ],
    [
      [".x.foo.com", "foo.com", "y.foo.com"],
      [".x.foo.com", "foo.com", "y.foo.com"],
    ],
    [
      ["8.8.8.8", "[2001:db8::1]", "2001:db8::1"],
      ["8.8.8.8", "2001:db8::1"],
    ],
  ])("of %j becomes %j", (domains, stored) => {
    expect(draftList(...domains).network.domains).toEqual(stored);
  });

  test.each([
    ["a wildcard", "*", 'found "*"; allowed: a name such as example.com'],
    ["a wildcard label", "*.example.com", "allowed: .example.com for the name and all below it, without wildcards"],
    ["a wildcard in a label", "exa*mple.com", "without wildcards"],
    ["a single label", "localhost", 'found "localhost"; allowed: names with a dot, such as example.com'],
    ["a top level", "com", 'found "com"; allowed: names with a dot'],
    ["a top level with all below it", ".com", 'found ".com"; allowed: names with a dot'],
    ["a public suffix", "co.uk", 'allowed: names below the public suffix "co.uk", which belongs to many owners'],
    ["a public suffix with all below it", ".CO.UK", 'found ".CO.UK"; allowed: names below the public suffix "co.uk"'],
    ["a public suffix by wildcard", ".foo.ck", 'names below the public suffix "foo.ck"'],
    ["a name that holds suffixes by wildcard", ".compute.amazonaws.com", 'names below the public suffix "compute.amazonaws.com"'],
    ["a public suffix in another script", "xn--55qx5d.cn", 'names below the public suffix "xn--55qx5d.cn"'],
    ["everybody's pages of a host", ".github.io", 'names below the public suffix "github.io"'],
    ["an empty entry", "", "missing; allowed: a name such as example.com"],
    ["only a dot", ".", 'found "."; allowed: a name'],
    ["two leading dots", "..example.com", 'found "..example.com"; allowed: a name'],
    ["an empty label", "a..example.com", "allowed: a name"],
    ["a URL", "https://example.com/x", "without a scheme"],
    ["a port", "example.com:443", "without a port"],
    ["a path", "example.com/x", "without a path"],
    ["a network", "10.0.0.0/8", "allowed: single addresses; networks are opened by the node's operator"],
    ["an IPv6 network", "fd00::/8", "allowed: single addresses; networks are opened by the node's operator"],
    ["an address in octal", "0177.0.0.1", 'found "0177.0.0.1"; allowed: "127.0.0.1", which is what it means'],
    ["an address as a number", "2130706433", 'allowed: "127.0.0.1"'],
    ["a long IPv6 address", "2001:DB8:0::7", 'allowed: "2001:db8::7"'],
    ["an IPv4-mapped address", "::ffff:10.0.0.1", 'allowed: "10.0.0.1"'],
    ["an address with a leading dot", ".127.0.0.1", "allowed: a name"],
    ["two pairs of brackets", "[[::1]]", "allowed: a name"],
    ["a user name", "good.test@evil.test", "allowed: a name"],
    ["percent-encoding", "ex%61mple.com", "allowed: a name"],
    ["a line break", "example.com\nevil.test", 'found "example.com\\nevil.test"; allowed: a name'],
    ["an escape sequence of one byte", "\u009b2Jexample.com", 'found "\\u{9b}2Jexample.com"; allowed: a name'],
    ["a space", "example.com ", "allowed: a name"],
    ["a label of 64 characters", `${"a".repeat(64)}.com`, "allowed: a name"],
    ["a name of more than 253 characters", `${"abc.".repeat(63)}com`, "allowed: a name"],
  ])("is refused with %s", (_, text, message) => {
    const { problems } = draftList("example.org", text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ field: "task.network.domains[1]", message: expect.stringContaining(message) });
  });

  test("names each bad entry", () => {
    const { problems } = draftList("a", "b.com", "*", ".co.uk");
    expect(problems.map(({ field }) => field)).toEqual(["task.network.domains[0]", "task.network.domains[2]", "task.network.domains[3]"]);
  });

  test("has 1 to 256 entries", () => {
    expect(draftList().problems).toEqual([
      { field: "task.network.domains", message: expect.stringContaining("missing; allowed: 1 to 256 entries"), reason: "FIELD_REQUIRED" },
    ]);
    const many = Array.from({ length: 257 }, (_, index) => `n${index}.com`);
    expect(draftList(...many.slice(1)).problems).toEqual([]);
    expect(draftList(...many).problems).toEqual([
      { field: "task.network.domains", message: "found 257; allowed: at most 256 entries", reason: "FIELD_INVALID" },
    ]);
  });

  test.each([Network_Mode.UNSPECIFIED, Network_Mode.NONE, Network_Mode.FULL])("belongs to mode http and not to %i", (mode) => {
    const { problems } = draft({ mode, domains: ["example.com"], egressBytesMax: 5n });
    expect(problems.map(({ field }) => field)).toEqual(["task.network.domains", "task.network.egressBytesMax"]);
    expect(problems[0]?.message).toBe(
      `found a list with MODE_${mode === Network_Mode.FULL ? "FULL" : "NONE"}; allowed: only with MODE_HTTP`,
    );
  });
});

test("no network is the default", () => {
  expect(draftNetwork(undefined, new Violations())).toEqual(NO_NETWORK);
  expect(draft({}).network).toEqual(NO_NETWORK);
  expect(draft({ mode: Network_Mode.FULL }).network).toEqual({ mode: "full", domains: [], egressBytesMax: 0 });
});

test("a budget of bytes is not negative and small enough to be counted", () => {
  expect(draft({ mode: Network_Mode.HTTP, domains: ["a.com"], egressBytesMax: 2n ** 40n }).network.egressBytesMax).toBe(2 ** 40);
  for (const egressBytesMax of [-1n, 2n ** 60n]) {
    const { problems } = draft({ mode: Network_Mode.HTTP, domains: ["a.com"], egressBytesMax });
    expect(problems.map(({ field }) => field)).toEqual(["task.network.egressBytesMax"]);
  }
});
