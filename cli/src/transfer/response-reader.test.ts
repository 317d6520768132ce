import { expect, test } from "vitest";
import { ResponseReader } from "./response-reader.ts";

/** Status, body and whether it was whole, fed in pieces of one size. */
function read(text: string, pieceBytes: number): { status: number; body: string; mayEnd: boolean } {
  let [status, body] = [0, ""];
  const reader = new ResponseReader({
    onStatus: (value) => (status = value),
    onBody: (piece) => (body += Buffer.from(piece).toString("latin1")),
  });
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  return { status, body, mayEnd: reader.mayEnd };
}

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nx-trailer: 1\r\n\r\n";

test.for([
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"],
  ["HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", 404, ""],
  ["HTTP/1.0 503\r\n\r\nlater", 503, "later"],
  [chunked, 200, "hello, world"],
] as const)("reads %j in pieces of any size", ([text, status, body]) => {
  for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes++) expect(read(text, pieceBytes)).toEqual({ status, body, mayEnd: true });
});

test("what is cut anywhere is not whole", () => {
  for (let length = 0; length < chunked.length; length++)
    expect(read(chunked.slice(0, length), 7).mayEnd, chunked.slice(0, length)).toBe(false);
  expect(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 9).mayEnd).toBe(false);
});

test.for([
  "HTTP/2 200\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "garbage\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;${"x".repeat(400)}`,
  `HTTP/1.1 200 OK\r\nx: ${"x".repeat(40_000)}`,
])("refuses %j", (text) => {
  expect(() => read(text, 11)).toThrow(/answer/u);
});
