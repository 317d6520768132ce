import { expect, test } from "vitest";
import { DomainError } from "@skrei/domain";
import { HttpBody } from "./http-body.ts";

/** What is read from an answer that comes in pieces of `size` bytes. */
function read(answer: string, size: number): string {
  let status = 0;
  let text = "";
  const body = new HttpBody(
    (head) => (status = head.status),
    (piece) => (text += Buffer.from(piece).toString()),
  );
  const bytes = Buffer.from(answer);
  try {
    for (let at = 0; at < bytes.length; at += size) body.push(bytes.subarray(at, at + size));
    body.end();
  } catch (error) {
    if (error instanceof DomainError) return `${error.reason} ${error.message}`;
    throw error;
  }
  return `${status} ${text}`;
}

test.each([
  ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello"],
  ["no body", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 "],
  ["the end of the connection", "HTTP/1.0 200 OK\r\n\r\nhello", "200 hello"],
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "200 hello"],
  ["chunks and a trailer", "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", "503 hello"],
  ["an interim answer first", "HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 hi"],
  [
    "a length that is cut",
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
    "UPSTREAM_UNAVAILABLE The content store cut the download before its end.",
  ],
  [
    "chunks that are cut",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "UPSTREAM_UNAVAILABLE The content store cut the download before its end.",
  ],
  [
    "a chunk without a length",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "UPSTREAM_UNAVAILABLE The content store's answer has a chunk without a length.",
  ],
  ["something else", "SSH-2.0-OpenSSH\r\n\r\n", "UPSTREAM_UNAVAILABLE The content store does not answer in HTTP."],
  [
    "a length that is no number",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "UPSTREAM_UNAVAILABLE The content store's answer has no valid length.",
  ],
])("reads an answer with %s, in pieces of any size", (_what, answer, expected) => {
  for (let size = 1; size <= answer.length; size++) expect(read(answer, size)).toBe(expected);
});

test("a head without end is not kept", () => {
  expect(read(`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(20_000)}`, 4_096)).toMatch(/a head without end/u);
});
