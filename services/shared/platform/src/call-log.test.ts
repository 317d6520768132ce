import { createRouterTransport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { Health } from "@skrei/proto/grpc/health/v1/health_pb.ts";
import { expect, test } from "vitest";
import { callLog } from "./call-log.ts";
import { createClient } from "./client.ts";
import { serverErrors } from "./error-interceptor.ts";
import type { LogFields } from "./log-fields.ts";
import { type Logger, silentLogger } from "./logger.ts";

test("writes one line for each call, at the end of a stream, louder when the service is at fault", async () => {
  const lines: (LogFields & { level: string })[] = [];
  const logger: Logger = {
    ...silentLogger,
    debug: (fields) => lines.push({ level: "debug", ...fields }),
    warn: (fields) => lines.push({ level: "warn", ...fields }),
  };
  let failure: Error | undefined;
  const transport = createRouterTransport(
    (router) =>
      router.service(Health, {
        check: () => {
          if (failure !== undefined) throw failure;
          return {};
        },
        watch: async function* () {
          yield {};
          expect(lines).toHaveLength(3);
        },
      }),
    { router: { interceptors: [serverErrors(logger), callLog(logger)] } },
  );
  const client = createClient(Health, transport);
  await client.check({});
  failure = new DomainError("notFound", "JOB_NOT_FOUND", "no job");
  await client.check({}).catch(() => undefined);
  failure = new DomainError("unavailable", "STORE_UNAVAILABLE", "no store");
  await client.check({}).catch(() => undefined);
  for await (const _ of client.watch({}));
  const method = "grpc.health.v1.Health/Check";
  expect(lines).toMatchObject([
    { level: "debug", method, code: "ok" },
    { level: "debug", method, code: "not_found", reason: "JOB_NOT_FOUND" },
    { level: "warn", method, code: "unavailable", reason: "STORE_UNAVAILABLE" },
    { level: "debug", method: "grpc.health.v1.Health/Watch", code: "ok" },
  ]);
});
