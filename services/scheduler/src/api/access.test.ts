import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { AgentService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiCluster, joinRequest, startApiCluster } from "../../../../test/kit/scheduler-api.ts";

const accessToken = "access-token-of-the-test";
let cluster: ApiCluster;
beforeAll(async () => {
  cluster = await startApiCluster({ config: { accessToken } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const methods = [JobService, NodeService, NetworkService, ResultService, DataService].flatMap((service: DescService) =>
  service.methods.map((method) => [`${service.typeName}/${method.name}`, service, method] as const),
);

describe("with an access token configured", () => {
  test.each(methods)("%s refuses a caller without it", async (_, service, method) => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: accessToken },
      { authorization: `Basic ${accessToken}` },
      { authorization: `Bearer ${accessToken}x` },
    ]) {
      expect(await outcomeOf(service, method, headers)).toMatchObject({ kind: "unauthenticated", reason: "TOKEN_INVALID" });
    }
  });

  test.each(methods)("%s takes a caller with it", async (_, service, method) => {
    const outcome = await outcomeOf(service, method, { authorization: `Bearer ${accessToken}` });
    expect(outcome?.reason).not.toBe("TOKEN_INVALID");
    expect(outcome?.reason).not.toBe("INTERNAL_ERROR");
  });

  test("nodes join with the join token and go on with their session", async () => {
    expect((await cluster.join("a1")).session).not.toBe("");
    const stranger = { nodeId: "n-00000000000000000000000000", session: "guess" };
    for (const method of ["heartbeat", "report"] as const) {
      expect(await failureOf(createClient(AgentService, cluster.transport)[method](stranger))).toMatchObject({ reason: "SESSION_ENDED" });
    }
  });
});

test("no link is made without a key to sign it", async () => {
  await using own = await startApiCluster({ config: { linkSecret: "" } });
  expect(await failureOf(own.results.createUploadLink({ cid: "bafyaaaaaaaaa", sizeBytes: 1n }))).toMatchObject({
    kind: "precondition",
    reason: "FEATURE_NOT_AVAILABLE",
  });
});

describe("joining", () => {
  const good = { name: "a1", joinToken: "join-token-of-the-test" };

  test.each([
    ["a wrong token", joinRequest({ ...good, joinToken: "x" }), "JOIN_TOKEN_INVALID"],
    ["a clock that is six minutes behind", joinRequest({ ...good, joinTimeMs: Date.now() - 360_000 }), "CLOCK_SKEW"],
    ["a clock that is six minutes ahead", joinRequest({ ...good, joinTimeMs: Date.now() + 360_000 }), "CLOCK_SKEW"],
    ["a signature for another node", joinRequest({ ...good, signedId: "n-00000000000000000000000000" }), "NODE_KEY_MISMATCH"],
    ["no signature", { ...joinRequest(good), signature: new Uint8Array() }, "NODE_KEY_MISMATCH"],
    ["a name that is none", joinRequest({ ...good, name: "a b" }), "FIELD_INVALID"],
    ["no node", { ...joinRequest(good), node: undefined }, "FIELD_INVALID"],
  ])("is refused with %s", async (_, { node, ...request }, reason) => {
    expect(await failureOf(cluster.agent.join({ ...request, ...(node !== undefined && { node }) }))).toMatchObject({ reason });
  });

  test("says where the bus is and what the session is", async () => {
    const answer = await cluster.agent.join(joinRequest({ ...good, name: "b1" }));
    expect(answer).toMatchObject({
      epoch: 1n,
      busUrls: ["nats://127.0.0.1:4222"],
      busToken: "bus-token",
      cluster: "test",
      publisherUrl: "http://127.0.0.1:1236",
      reservedUrls: ["tcp://127.0.0.1:6379"],
      membership: 2,
      heartbeatInterval: { seconds: 1n },
    });
  });

  test("leaves a node pending when an operator approves, and the session out of what users see", async () => {
    await using own = await startApiCluster({ config: { approvesNodes: false } });
    const { nodeId, session } = await own.join("a1");
    expect((await own.nodes.getNode({ nodeId: "a1" })).node).toMatchObject({ nodeId, membership: 1 });
    expect((await own.nodes.approveNode({ nodeId })).node?.membership).toBe(2);
    expect((await own.nodes.rejectNode({ nodeId: nodeId.slice(0, 27) })).node?.membership).toBe(3);
    expect(
      JSON.stringify(await own.nodes.listNodes({}), (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).not.toContain(session);
    const error = await failureOf(own.nodes.getNode({ nodeId: "a2" }));
    expect(error).toMatchObject({ kind: "notFound", reason: "NODE_NOT_FOUND" });
    expect(error.metadata["hint"]).toContain("a1");
  });

  test("lists nodes by name, page by page", async () => {
    await using own = await startApiCluster();
    for (const name of ["c", "a", "b"]) await own.join(name);
    const first = await own.nodes.listNodes({ pageSize: 2 });
    const second = await own.nodes.listNodes({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.nodes, ...second.nodes].map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(second.nextPageToken).toBe("");
  });
});

/** The error of a call with an empty request, or undefined when it answers; a stream is left after its first message. */
async function outcomeOf(service: DescService, method: DescMethod, headers: Record<string, string>): Promise<DomainError | undefined> {
  const client = createClient(service, cluster.transport) as unknown as Record<
    string,
    (request: object, options: object) => Promise<unknown> & AsyncIterable<unknown>
  >;
  const call = client[method.localName]?.({}, { headers });
  try {
    if (method.methodKind === "server_streaming") for await (const _ of call ?? []) break;
    else await call;
    return undefined;
  } catch (error) {
    return error as DomainError;
  }
}

async function failureOf(call: Promise<unknown>): Promise<DomainError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: DomainError) => error,
  );
}
