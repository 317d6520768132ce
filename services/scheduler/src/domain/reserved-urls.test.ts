import { expect, test } from "vitest";
import { reservedUrls } from "./reserved-urls.ts";

test("services are told of by host and port, once each, and nobody's credentials with them", () => {
  expect(
    reservedUrls([
      "redis://user:secret@store.internal:6379/3",
      "rediss://10.1.2.3",
      "nats://bus:4222",
      "bus:4222",
      "tcp://bus:4222",
      "redis://[fd00::1]:6379",
    ]),
  ).toEqual(["tcp://store.internal:6379", "tcp://10.1.2.3", "tcp://bus:4222", "tcp://[fd00::1]:6379"]);
});

test("what is no place on a network is left out", () => {
  expect(reservedUrls(["", "sqlite:/var/lib/skrei/state.db", "sqlite::memory:"])).toEqual([]);
});
