import { type ConnectRouter, type Interceptor, type Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";
import { describe, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { type EchoProbe, echoRoutes, newProbe } from "./echo-service.ts";

/** One way for calls to travel. */
export interface TransportSubject extends AsyncDisposable {
  transport(): Transport;
  serve(routes: (router: ConnectRouter) => void, interceptors?: Interceptor[]): Promise<AsyncDisposable>;
}

export interface TransportTraits {
  /** Reads of a stopped reader that the wire may hold; the handler must pause by then. */
  readonly bufferedBytesMax: number;
}

/** What every transport must do. `start` gives a fresh one. */
export function transportSuite(name: string, start: () => Promise<TransportSubject>, traits: TransportTraits): void {
  const setUp = async (server = "one", probe: EchoProbe = newProbe()) => {
    const stack = new AsyncDisposableStack();
    const subject = stack.use(await start());
    const serving = stack.use(await subject.serve(echoRoutes(server, probe)));
    const client = createClient(EchoService, subject.transport());
    return { subject, serving, client, probe, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  };

  describe(`${name}: unary calls`, () => {
    test("carry request and response", async () => {
      await using it = await setUp();
      const response = await it.client.echo({ text: "grüß dich", payload: new Uint8Array([0, 255, 10, 13]) });
      expect(response).toMatchObject({ text: "grüß dich", server: "one" });
      expect([...response.payload]).toEqual([0, 255, 10, 13]);
    });

    test("carry an empty message", async () => {
      await using it = await setUp();
      expect(await it.client.echo({})).toMatchObject({ text: "", server: "one" });
    });

    test("carry headers there and headers and trailers back", async () => {
      await using it = await setUp();
      const seen: Record<string, string | null> = {};
      await it.client.echo(
        {},
        {
          headers: { "x-echo": "a b; c" },
          onHeader: (header) => (seen["header"] = header.get("x-echo-header")),
          onTrailer: (trailer) => (seen["trailer"] = trailer.get("x-echo-trailer")),
        },
      );
      expect(seen).toEqual({ header: "a b; c", trailer: "a b; c" });
    });

    test("bring an error back with kind, reason, message, metadata and violations", async () => {
      await using it = await setUp();
      expect(await failure(it.client.echo({ failure: "domain" }))).toEqual({
        kind: "precondition",
        reason: "JOB_STILL_RUNNING",
        message: "the job äöü is still running",
        metadata: { state: "running", allowed: "completed, failed", hint: "wait for it" },
        violations: [
          { field: "tasks[0].engine", message: "is missing", reason: "FIELD_REQUIRED" },
          { field: "count", message: "must be at most 1,000", reason: "FIELD_INVALID" },
        ],
      });
    });

    test("tell a lost race from a broken connection", async () => {
      await using it = await setUp();
      expect(await failure(it.client.echo({ failure: "conflict" }))).toMatchObject({ kind: "conflict", reason: "TERM_STALE" });
    });

    test("hide what an unexpected throw said", async () => {
      await using it = await setUp();
      const error = await failure(it.client.echo({ failure: "bug" }));
      expect(error).toMatchObject({ kind: "unavailable", reason: "INTERNAL_ERROR" });
      expect(JSON.stringify(error)).not.toContain("1234");
      expect(error.metadata).toHaveProperty("requestId");
    });

    test("tell the handler how much time is left, and end as a time-out when it is over", async () => {
      await using it = await setUp();
      const { timeoutMs } = await it.client.echo({}, { timeoutMs: 60_000 });
      expect(Number(timeoutMs)).toBeGreaterThan(50_000);
      expect(Number(timeoutMs)).toBeLessThanOrEqual(60_000);
      expect(await failure(it.client.echo({ delayMs: 60_000n }, { timeoutMs: 50 }))).toMatchObject({
        kind: "timeout",
        reason: "DEADLINE_EXCEEDED",
      });
      await eventually(
        () => it.probe,
        ({ aborted, running }) => aborted === 1 && running === 0,
        { withinMs: 5_000 },
      );
    });

    test("are cancelled by the caller's signal, in the handler too", async () => {
      await using it = await setUp();
      const caller = new AbortController();
      const call = failure(it.client.echo({ delayMs: 60_000n }, { signal: caller.signal }));
      await eventually(
        () => it.probe.running,
        (running) => running === 1,
        { withinMs: 5_000 },
      );
      caller.abort();
      expect(await call).toMatchObject({ kind: "cancelled", reason: "CANCELLED" });
      await eventually(
        () => it.probe,
        ({ aborted, running }) => aborted === 1 && running === 0,
        { withinMs: 5_000 },
      );
    });

    test("see a signal that timed out as a time-out", async () => {
      await using it = await setUp();
      const call = it.client.echo({ delayMs: 60_000n }, { signal: AbortSignal.timeout(50) });
      expect(await failure(call)).toMatchObject({ kind: "timeout", reason: "DEADLINE_EXCEEDED" });
    });

    test("are not made when the signal has aborted before", async () => {
      await using it = await setUp();
      expect(await failure(it.client.echo({}, { signal: AbortSignal.abort() }))).toMatchObject({ kind: "cancelled" });
    });

    test("carry 512 KiB both ways", async () => {
      await using it = await setUp();
      const payload = new Uint8Array(512 * 1024).map((_, index) => index % 251);
      expect(Buffer.compare((await it.client.echo({ payload })).payload, payload)).toBe(0);
    });

    test("run 500 at a time without mixing answers up", async () => {
      await using it = await setUp();
      const texts = Array.from({ length: 500 }, (_, index) => `call ${index}`);
      const answers = await Promise.all(texts.map((text) => it.client.echo({ text, delayMs: 5n })));
      expect(answers.map(({ text }) => text)).toEqual(texts);
    });
  });

  describe(`${name}: server streams`, () => {
    test("bring 10,000 messages in order and complete", async () => {
      await using it = await setUp();
      let last = 0n;
      for await (const { number } of it.client.count({ messages: 10_000n, payloadBytes: 32n })) {
        if (number !== last + 1n) throw new Error(`${number} came after ${last}`);
        last = number;
      }
      expect(last).toBe(10_000n);
      await eventually(
        () => it.probe.running,
        (running) => running === 0,
        { withinMs: 5_000 },
      );
    });

    test("may be empty", async () => {
      await using it = await setUp();
      expect(await numbers(it.client.count({}))).toEqual([]);
    });

    test("carry headers and trailers", async () => {
      await using it = await setUp();
      const seen: Record<string, string | null> = {};
      const stream = it.client.count(
        { messages: 2n },
        {
          headers: { "x-echo": "yes" },
          onHeader: (header) => (seen["header"] = header.get("x-echo-header")),
          onTrailer: (trailer) => (seen["trailer"] = trailer.get("x-echo-trailer")),
        },
      );
      expect(await numbers(stream)).toEqual([1, 2]);
      expect(seen).toEqual({ header: "yes", trailer: "yes" });
    });

    test("deliver what came before a throw, then the error", async () => {
      await using it = await setUp();
      const seen: number[] = [];
      const error = await failure(collect(it.client.count({ messages: 3n, failure: "domain" }), seen));
      expect(seen).toEqual([1, 2, 3]);
      expect(error).toMatchObject({ kind: "precondition", reason: "JOB_STILL_RUNNING", metadata: { state: "running" } });
      expect(await failure(collect(it.client.count({ messages: 1n, failure: "bug" }), []))).toMatchObject({ reason: "INTERNAL_ERROR" });
    });

    test("pause the handler while the reader is slow, and lose nothing", async () => {
      await using it = await setUp();
      const payloadBytes = 64 * 1024;
      const messages = 600;
      const reader = it.client.count({ messages: BigInt(messages), payloadBytes: BigInt(payloadBytes) })[Symbol.asyncIterator]();
      await reader.next();
      const produced = await settled(() => it.probe.produced);
      expect(produced * payloadBytes).toBeLessThanOrEqual(traits.bufferedBytesMax);
      let count = 1;
      while ((await reader.next()).done !== true) count++;
      expect(count).toBe(messages);
    });

    test("end the handler when the reader leaves early", async () => {
      await using it = await setUp();
      for await (const { number } of it.client.count({ messages: 5n, staysOpen: true })) if (number === 3n) break;
      await eventually(
        () => it.probe.running,
        (running) => running === 0,
        { withinMs: 5_000 },
      );
    });

    test("end the handler when the reader's loop throws", async () => {
      await using it = await setUp();
      const loop = async (): Promise<void> => {
        for await (const _ of it.client.count({ messages: 1n, staysOpen: true })) throw new Error("no more");
      };
      await expect(loop()).rejects.toThrow("no more");
      await eventually(
        () => it.probe.running,
        (running) => running === 0,
        { withinMs: 5_000 },
      );
    });

    test("end the handler when the caller's signal aborts while nothing is sent", async () => {
      await using it = await setUp();
      const caller = new AbortController();
      const call = failure(numbers(it.client.count({ messages: 1n, staysOpen: true }, { signal: caller.signal })));
      await eventually(
        () => it.probe.running,
        (running) => running === 1,
        { withinMs: 5_000 },
      );
      caller.abort();
      expect(await call).toMatchObject({ kind: "cancelled" });
      await eventually(
        () => it.probe.running,
        (running) => running === 0,
        { withinMs: 5_000 },
      );
    });

    test("end as a time-out at their deadline", async () => {
      await using it = await setUp();
      expect(await failure(numbers(it.client.count({ messages: 1n, staysOpen: true }, { timeoutMs: 100 })))).toMatchObject({
        kind: "timeout",
      });
      await eventually(
        () => it.probe.running,
        (running) => running === 0,
        { withinMs: 5_000 },
      );
    });

    test("end as unavailable when their server stops", async () => {
      await using it = await setUp();
      const seen: number[] = [];
      const call = failure(collect(it.client.count({ messages: 2n, staysOpen: true }), seen));
      await eventually(
        () => seen.length,
        (length) => length === 2,
        { withinMs: 5_000 },
      );
      await it.serving[Symbol.asyncDispose]();
      expect(await call).toMatchObject({ kind: "unavailable" });
      expect(it.probe.running).toBe(0);
    });
  });

  test(`${name}: a call to nobody is unavailable`, async () => {
    await using it = await setUp();
    await it.serving[Symbol.asyncDispose]();
    expect(await failure(it.client.echo({}))).toMatchObject({ kind: "unavailable" });
    expect(await failure(numbers(it.client.count({})))).toMatchObject({ kind: "unavailable" });
  });

  test(`${name}: interceptors of the server see each call`, async () => {
    await using subject = await start();
    const methods: string[] = [];
    const log: Interceptor = (next) => (request) => {
      methods.push(request.method.name);
      return next(request);
    };
    await using _ = await subject.serve(echoRoutes("one"), [log]);
    const client = createClient(EchoService, subject.transport());
    await client.echo({});
    await numbers(client.count({ messages: 1n }));
    expect(methods).toEqual(["Echo", "Count"]);
  });
}

/** The parts of the DomainError that a call fails with. */
export async function failure(
  call: Promise<unknown>,
): Promise<Pick<DomainError, "kind" | "reason" | "message" | "metadata" | "violations">> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof DomainError)) throw new Error("the call failed with something else", { cause: error });
    const { kind, reason, message, metadata, violations } = error;
    return { kind, reason, message, metadata, violations };
  }
  throw new Error("the call did not fail");
}

export async function numbers(stream: AsyncIterable<{ readonly number: bigint }>): Promise<number[]> {
  const seen: number[] = [];
  await collect(stream, seen);
  return seen;
}

async function collect(stream: AsyncIterable<{ readonly number: bigint }>, into: number[]): Promise<void> {
  for await (const { number } of stream) into.push(Number(number));
}

/** The value once it has been the same for 10 reads. */
async function settled(read: () => number): Promise<number> {
  let last = read();
  let same = 0;
  return await eventually(
    read,
    (value) => {
      same = value === last ? same + 1 : 0;
      last = value;
      return same >= 10;
    },
    { withinMs: 10_000 },
  );
}
