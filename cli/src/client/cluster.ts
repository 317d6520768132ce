import type { Client, Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import type { ServerSettings } from "./settings.ts";

/** The cluster's public API. */
export interface Cluster {
  readonly jobs: Client<typeof JobService>;
  readonly nodes: Client<typeof NodeService>;
  readonly results: Client<typeof ResultService>;
  readonly data: Client<typeof DataService>;
  readonly network: Client<typeof NetworkService>;
}

/** Longer than any answer that is not a stream may take. */
const CALL_TIMEOUT_MS = 30_000;

export function createCluster(settings: ServerSettings, trace: (line: string) => void): Cluster {
  const interceptors: Interceptor[] = [];
  if (settings.token !== undefined) interceptors.push(authorizing(settings.token));
  if (settings.isVerbose) interceptors.push(tracing(trace));
  const transport = createConnectTransport({
    baseUrl: settings.server,
    httpVersion: "1.1",
    interceptors: [limitingUnary, ...interceptors],
  });
  return {
    jobs: createClient(JobService, transport),
    nodes: createClient(NodeService, transport),
    results: createClient(ResultService, transport),
    data: createClient(DataService, transport),
    network: createClient(NetworkService, transport),
  };
}

function authorizing(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** A server that accepts and never answers must not hold the terminal for ever. */
const limitingUnary: Interceptor = (next) => async (request) => {
  if (request.stream) return next(request);
  const limit = AbortSignal.timeout(CALL_TIMEOUT_MS);
  try {
    return await next({ ...request, signal: AbortSignal.any([request.signal, limit]) });
  } catch (cause) {
    if (!limit.aborted) throw cause;
    throw new DomainError(
      "timeout",
      "DEADLINE_EXCEEDED",
      `The cluster did not answer ${request.method.name} within ${CALL_TIMEOUT_MS / 1000} s.`,
      { cause },
    );
  }
};

function tracing(trace: (line: string) => void): Interceptor {
  return (next) => async (request) => {
    const startedAt = performance.now();
    const describe = (): string =>
      `${request.method.parent.typeName}/${request.method.name} ${(performance.now() - startedAt).toFixed(0)}ms`;
    try {
      const response = await next(request);
      trace(`-> ${describe()}`);
      return response;
    } catch (error) {
      trace(`-> ${describe()} failed`);
      throw error;
    }
  };
}
