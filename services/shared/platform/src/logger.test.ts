import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

test("writes JSON lines with service, fields and level, and the whole chain of an error", () => {
  const { lines, logger } = capture();
  logger.child({ component: "api" }).error({ jobId: "j-1", err: new Error("outer", { cause: new Error("inner") }) }, "call failed");
  expect(lines()).toMatchObject([
    {
      level: "error",
      service: "scheduler",
      instance: "a",
      component: "api",
      jobId: "j-1",
      msg: "call failed",
      err: { message: "outer", cause: { message: "inner" } },
    },
  ]);
  expect(lines()[0]).toHaveProperty("time", expect.stringMatching(/^\d{4}-\d\d-\d\dT/u));
});

test("cuts secrets by their key, three levels deep", () => {
  const { lines, logger } = capture();
  logger.info({ config: { joinToken: "geheim", bus: { token: "geheim" } } }, "configuration");
  expect(JSON.stringify(lines())).not.toContain("geheim");
});

test("leaves out what is below its level", () => {
  const { lines, logger } = capture();
  logger.debug({}, "details");
  expect(lines()).toEqual([]);
});

function capture() {
  let text = "";
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  const lines = (): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { lines, logger: createLogger({ service: "scheduler", instance: "a", destination }) };
}
