import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { expect, test } from "vitest";
import type { HttpAsk } from "./http-protocol.ts";
import { HttpRelay } from "./http-relay.ts";

const ASK: HttpAsk = {
  type: "httpRequest",
  method: "GET",
  url: "http://api.example/",
  headers: "",
  bodyBytes: 0,
  responseHeadersBytesMax: 1_000,
  responseBodyBytesMax: 1_000,
};

/** A relay with a host that only takes notes; there is no proxy at its door. */
function aRelay(): { readonly relay: HttpRelay; readonly ends: Promise<unknown>; readonly isKilled: () => boolean } {
  let isKilled = false;
  const ended = Promise.withResolvers<unknown>();
  const host = {
    answer: async (frame: Uint8Array): Promise<void> => ended.resolve(JSON.parse(Buffer.from(frame.subarray(5)).toString())),
    kill: () => void (isKilled = true),
  };
  const trust = (): ReturnType<typeof createSecureContext> => createSecureContext();
  const relay = new HttpRelay(host, { socketPath: join(import.meta.dirname, "absent.sock"), credential: "a:b", trust, timeoutMs: 5_000 });
  return { relay, ends: ended.promise, isKilled: () => isKilled };
}

test("a proxy that is away is a network error", async () => {
  const { relay, ends, isKilled } = aRelay();
  relay.receive(ASK);
  expect(await ends).toMatchObject({ result: "networkError", words: expect.stringContaining("to api.example: ") });
  expect(isKilled()).toBe(false);
});

test.for([
  { title: "asks again before it is answered", messages: [ASK, ASK] },
  { title: "sends a body that nobody wants", messages: [{ type: "httpBody", base64: "" } as const] },
  { title: "gives sizes that are none", messages: [{ ...ASK, responseBodyBytesMax: Number.NaN }] },
  { title: "gives no URL", messages: [{ ...ASK, url: undefined as unknown as string }] },
])("a host that $title is killed", ({ messages }) => {
  const { relay, isKilled } = aRelay();
  for (const message of messages) relay.receive(message);
  expect(isKilled()).toBe(true);
  relay.close();
});
