import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { EchoService } from "@skrei/proto/skrei/test/v1/echo_service_pb.ts";

/** What a running EchoService has seen: how tests look behind the wire. */
export interface EchoProbe {
  calls: number;
  /** Messages that Count has handed to the wire. */
  produced: number;
  /** Handlers that are running now. */
  running: number;
  /** Handlers that saw their signal abort before they were done. */
  aborted: number;
}

/** Registers an EchoService that answers as `server` and keeps `probe` up to date. */
export function echoRoutes(server: string, probe: EchoProbe = newProbe()): (router: ConnectRouter) => void {
  return (router) => {
    router.service(EchoService, {
      echo: async (request, context) => {
        using _ = watch(probe, context);
        if (request.delayMs > 0n) await delay(Number(request.delayMs), undefined, { signal: context.signal });
        failAs(request.failure);
        echoHeaders(context);
        return { text: request.text, payload: request.payload, server, timeoutMs: BigInt(Math.round(context.timeoutMs() ?? 0)) };
      },
      count: async function* (request, context) {
        using _ = watch(probe, context);
        echoHeaders(context);
        // Random, for zeros would be compressed to nothing on some wires.
        const payload = new Uint8Array(randomBytes(Number(request.payloadBytes)));
        for (let number = 1n; number <= request.messages; number++) {
          probe.produced++;
          yield { number, payload };
        }
        failAs(request.failure);
        if (request.staysOpen) await delay(600_000, undefined, { signal: context.signal });
      },
      collect: async (requests) => {
        let messages = 0n;
        for await (const _ of requests) messages++;
        return { messages };
      },
    });
  };
}

export function newProbe(): EchoProbe {
  return { calls: 0, produced: 0, running: 0, aborted: 0 };
}

/** The error with every part that must survive a wire. */
function fullError(): DomainError {
  return new DomainError("precondition", "JOB_STILL_RUNNING", "the job äöü is still running", {
    metadata: { state: "running", allowed: "completed, failed" },
    hint: "wait for it",
    violations: [
      { field: "tasks[0].engine", message: "is missing", reason: "FIELD_REQUIRED" },
      { field: "count", message: "must be at most 1,000", reason: "FIELD_INVALID" },
    ],
  });
}

function failAs(failure: string): void {
  if (failure === "domain") throw fullError();
  if (failure === "conflict") throw new DomainError("conflict", "TERM_STALE", "lost a race");
  if (failure === "bug") throw new TypeError("the secret is 1234");
}

function echoHeaders(context: HandlerContext): void {
  const sent = context.requestHeader.get("x-echo");
  if (sent === null) return;
  context.responseHeader.set("x-echo-header", sent);
  context.responseTrailer.set("x-echo-trailer", sent);
}

function watch(probe: EchoProbe, context: HandlerContext): Disposable {
  probe.calls++;
  probe.running++;
  let isRunning = true;
  context.signal.addEventListener("abort", () => {
    if (isRunning) probe.aborted++;
  });
  return {
    [Symbol.dispose]: () => {
      isRunning = false;
      probe.running--;
    },
  };
}
