import { create } from "@bufbuild/protobuf";
import type { DomainError } from "@skrei/domain";
import { NetworkSchema, Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import { parseEgressUrl, parseTriedNetwork } from "./egress-request.ts";

test.each([
  ["https://example.com/a?b=c#d", "https://example.com/a?b=c"],
  ["http://EXAMPLE.com:8080", "http://EXAMPLE.com:8080"],
  ["https://api%2eexample.com/", "https://api%2eexample.com/"],
  ["example.com", "https://example.com"],
  ["example.com:8443/x", "https://example.com:8443/x"],
  ["http://0x7f.1/", "http://0x7f.1/"],
  ["[::1]:80", "https://[::1]:80"],
])("%s is taken as %s", (text, url) => {
  expect(parseEgressUrl(text)).toBe(url);
});

test.each([
  "ftp://example.com",
  "javascript:alert(1)",
  "file:///etc/passwd",
  "https://",
  "a b",
  "https://me:secret@example.com",
  "me@example.com",
  "https:\\\\example.com",
  "https://exa\tmple.com",
])("%s is refused", (text) => {
  expect(failureOf(() => parseEgressUrl(text))).toMatchObject({ reason: "FIELD_INVALID", violations: [{ field: "url" }] });
});

test("no URL and one that is too long are refused, and no secret is repeated", () => {
  expect(failureOf(() => parseEgressUrl(""))).toMatchObject({ reason: "FIELD_REQUIRED" });
  expect(failureOf(() => parseEgressUrl(`https://a.example/${"x".repeat(2_048)}`))).toMatchObject({ reason: "FIELD_INVALID" });
  expect(failureOf(() => parseEgressUrl("https://me:secret@example.com")).message).not.toContain("secret");
});

test("a network to try is made canonical by the rules of a job's, and its problems name its own fields", () => {
  const http = { mode: Network_Mode.HTTP };
  expect(parseTriedNetwork(create(NetworkSchema, { ...http, domains: ["EXAMPLE.com."] }))).toEqual({
    mode: "http",
    domains: ["example.com"],
    egressBytesMax: 0,
  });
  expect(failureOf(() => parseTriedNetwork(create(NetworkSchema, { ...http, domains: ["ok.example", "*"] })))).toMatchObject({
    reason: "FIELD_INVALID",
    violations: [{ field: "network.domains[1]" }],
  });
});

function failureOf(call: () => unknown): DomainError {
  try {
    call();
  } catch (error) {
    return error as DomainError;
  }
  throw new Error("the call succeeded");
}
