import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { connectionWords } from "./connection-words.ts";

test("a refused connection is told in words, by whatever error it is wrapped", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  server.close();
  await once(server, "close");
  const socket = connect(port, "localhost");
  const [error] = (await once(socket, "error").catch((caught: unknown) => [caught])) as [Error];
  expect(connectionWords(error)).toBe("the connection was refused (ECONNREFUSED)");
  expect(connectionWords(new Error("outer", { cause: error }))).toBe("the connection was refused (ECONNREFUSED)");
  expect(connectionWords(new AggregateError([error]))).toBe("the connection was refused (ECONNREFUSED)");
});

test("unknown codes are named, and errors without one speak for themselves", () => {
  expect(connectionWords(Object.assign(new Error("x"), { code: "EODD" }))).toBe("the connection failed (EODD)");
  expect(connectionWords(new Error("no answer within 30 ms"))).toBe("no answer within 30 ms");
  expect(connectionWords(undefined)).toBe("unknown");
});
