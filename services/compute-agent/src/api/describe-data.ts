import { create } from "@bufbuild/protobuf";
import { type DescribeDataResponse, DescribeDataResponseSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { cacheStateToProto, storeStateToProto } from "@skrei/wire/data-state.ts";
import type { InputPort, ResultPort } from "../ports.ts";

/** What this node's cache and store hold. One that does not answer in time is left out, so that the other is seen all the same. */
export async function describeData(
  { inputs, results }: { readonly inputs: Pick<InputPort, "state">; readonly results: Pick<ResultPort, "state"> },
  signal: AbortSignal,
): Promise<DescribeDataResponse> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
  const [cache, store] = await Promise.allSettled([inputs.state(within), results.state(within)]);
  signal.throwIfAborted();
  return create(DescribeDataResponseSchema, {
    ...(cache.status === "fulfilled" && { cache: cacheStateToProto(cache.value) }),
    ...(store.status === "fulfilled" && { store: storeStateToProto(store.value) }),
  });
}

const ANSWER_WITHIN_MS = 2_000;
