import { describe, expect, test } from "vitest";
import { ServiceStack } from "./lifecycle.ts";

describe("ServiceStack", () => {
  test("stops in reverse order, once", async () => {
    const log: string[] = [];
    const stack = new ServiceStack();
    await stack.start(async (started) => {
      started.defer(() => void log.push("first"));
      started.defer(() => void log.push("second"));
    });
    await Promise.all([stack.stop("test"), stack.stop("again")]);
    expect(log).toEqual(["second", "first"]);
    expect(stack.signal.reason).toMatchObject({ reason: "SHUTTING_DOWN", message: "the service is stopping: test" });
  });

  test("undoes what had started when a step fails, and stop then does nothing", async () => {
    const log: string[] = [];
    const stack = new ServiceStack();
    const start = stack.start(async (started) => {
      started.defer(() => void log.push("undone"));
      throw new Error("no port");
    });
    await expect(start).rejects.toThrow("no port");
    expect(log).toEqual(["undone"]);
    expect(stack.signal.aborted).toBe(true);
    await stack.stop("test");
    expect(log).toEqual(["undone"]);
  });

  test("waits for a start that is under way, which sees the signal", async () => {
    const log: string[] = [];
    const stack = new ServiceStack();
    const start = stack.start(async (started) => {
      await new Promise((resolve) => started.signal.addEventListener("abort", resolve));
      started.defer(() => void log.push("undone"));
    });
    await stack.stop("test");
    await start;
    expect(log).toEqual(["undone"]);
  });

  test("runs every undo though one throws", async () => {
    const log: string[] = [];
    const stack = new ServiceStack();
    await stack.start(async (started) => {
      started.defer(() => void log.push("first"));
      started.defer(() => Promise.reject(new Error("stuck")));
    });
    await expect(stack.stop("test")).rejects.toThrow("stuck");
    expect(log).toEqual(["first"]);
  });
});
