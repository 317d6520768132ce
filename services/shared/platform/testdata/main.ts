import { setInterval } from "node:timers";
import { DomainError } from "@skrei/domain";
import { z } from "zod";
import { logLevelField } from "../src/config-fields.ts";
import { runMain } from "../src/run-main.ts";

/** A service for run-main.test.ts, which behaves as its configuration says. */
await runMain({
  service: "sample",
  schema: z.strictObject({
    failure: z.enum(["none", "start", "stop", "hang"]).default("none").describe("what goes wrong"),
    accessToken: z.string().default("").describe("a secret"),
    logLevel: logLevelField,
  }),
  stopTimeoutMs: 300,
  create: ({ failure }) => ({
    start: async () => {
      if (failure === "start")
        throw new DomainError("precondition", "PORT_IN_USE", "another process listens on 127.0.0.1:1", { hint: "stop it" });
      setInterval(() => undefined, 60_000);
    },
    stop: async () => {
      if (failure === "stop") throw new Error("cannot stop");
      if (failure === "hang") await new Promise(() => undefined);
    },
  }),
});
