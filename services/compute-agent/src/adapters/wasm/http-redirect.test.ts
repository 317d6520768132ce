import { describe, expect, test } from "vitest";
import { parseRequestUrl, redirectOf, type Hop } from "./http-redirect.ts";

const HOP: Hop = {
  method: "POST",
  url: new URL("https://api.example/form"),
  headers: [
    ["Authorization", "Bearer x"],
    ["COOKIE", "a=b"],
    ["Content-Type", "text/plain"],
    ["X-Mine", "1"],
  ],
  bodyBytes: 4,
};

function namesOf(hop: Hop | undefined): readonly string[] | undefined {
  return hop?.headers.map(([name]) => name);
}

describe("redirectOf", () => {
  test.for([200, 201, 300, 304, 305, 306, 309, 404])("%i is taken as it is", (status) => {
    expect(redirectOf(HOP, status, "/there")).toBeUndefined();
  });

  test("an answer that names no place is taken as it is", () => {
    expect(redirectOf(HOP, 302, undefined)).toBeUndefined();
  });

  test.for([
    { status: 301, method: "POST", follows: "GET" },
    { status: 302, method: "POST", follows: "GET" },
    { status: 302, method: "PUT", follows: "PUT" },
    { status: 303, method: "PUT", follows: "GET" },
    { status: 303, method: "HEAD", follows: "HEAD" },
    { status: 307, method: "POST", follows: "POST" },
    { status: 308, method: "DELETE", follows: "DELETE" },
  ])("$status after $method asks with $follows", ({ status, method, follows }) => {
    const next = redirectOf({ ...HOP, method }, status, "/there");
    expect(next).toMatchObject({ method: follows, bodyBytes: method === follows ? 4 : 0 });
    expect(namesOf(next)?.includes("Content-Type")).toBe(method === follows);
  });

  test("secrets stay with their origin", () => {
    expect(namesOf(redirectOf(HOP, 307, "/there"))).toEqual(["Authorization", "COOKIE", "Content-Type", "X-Mine"]);
    expect(namesOf(redirectOf(HOP, 307, "https://api.example:8443/"))).toEqual(["Content-Type", "X-Mine"]);
    expect(namesOf(redirectOf(HOP, 307, "https://other.example/"))).toEqual(["Content-Type", "X-Mine"]);
  });

  test("https never leads to http, while http may lead to https", () => {
    expect(() => redirectOf(HOP, 302, "http://api.example/")).toThrow("from https to http");
    expect(redirectOf({ ...HOP, url: new URL("http://api.example/") }, 302, "https://api.example/")?.url.protocol).toBe("https:");
  });

  test.for(["ftp://api.example/", "http://user@api.example/", "https://[", "javascript:alert(1)"])("%s is not followed", (location) => {
    expect(() => redirectOf(HOP, 302, location)).toThrow(expect.objectContaining({ result: "invalidUrl" }));
  });
});

test("a fragment is not sent", () => {
  expect(parseRequestUrl("http://api.example/a?b#c", undefined).href).toBe("http://api.example/a?b");
});
