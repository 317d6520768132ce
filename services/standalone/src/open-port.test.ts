import { DomainError } from "@skrei/domain";
import type { HttpServer } from "@skrei/platform/http-server.ts";
import { expect, test } from "vitest";
import { listenOnFreePort } from "./open-port.ts";

/** The port that is taken when `busy` are not free. */
async function portWhen(busy: readonly number[], given?: number): Promise<number> {
  const { port } = await listenOnFreePort(given, (tried) => {
    if (busy.includes(tried)) return Promise.reject(new DomainError("precondition", "PORT_IN_USE", `port ${tried} is in use`));
    return Promise.resolve({ port: tried, server: {} as HttpServer });
  });
  return port;
}

test("takes 1234 when it is free", async () => {
  expect(await portWhen([])).toBe(1234);
});

test("leaves the ports of a real cluster's services alone", async () => {
  expect(await portWhen([1234])).toBe(1240);
  expect(await portWhen([1234, 1240, 1241])).toBe(1242);
});

test("takes no other port than the given one", async () => {
  await expect(portWhen([1300], 1300)).rejects.toMatchObject({ reason: "PORT_IN_USE" });
});
