import { expect, test } from "vitest";
import { formatHeaderLines, parseHeaderLines } from "./http-header-lines.ts";

test("lines may end in any way, be empty, and repeat a name", () => {
  expect(parseHeaderLines("\nAccept: a:b\r\n\n  accept :c  \nempty:")).toEqual([
    ["Accept", "a:b"],
    ["accept", "c"],
    ["empty", ""],
  ]);
});

test("what belongs to the connection, or speaks to the proxy, is left out", () => {
  const names = [
    "Host",
    "connection",
    "Content-Length",
    "Transfer-Encoding",
    "Proxy-Authorization",
    "proxy-anything",
    "TE",
    "Upgrade",
    "Expect",
  ];
  expect(parseHeaderLines(names.map((name) => `${name}: 1`).join("\n"))).toEqual([]);
});

test.for(["none", ": value", "na me: value", "name\u0000: value", "name: a\u0000b", "name: a\rb", "name: ж"])("%j is refused", (line) => {
  expect(() => parseHeaderLines(line)).toThrow(expect.objectContaining({ result: "badInput" }));
});

test("what is formatted keeps order, spelling and repeats, but nothing of the connection", () => {
  const raw = ["Set-Cookie", "a", "Transfer-Encoding", "chunked", "X", "1", "KEEP-ALIVE", "timeout=5", "set-cookie", "b"];
  expect(formatHeaderLines(raw)).toBe("Set-Cookie: a\nX: 1\nset-cookie: b");
});
