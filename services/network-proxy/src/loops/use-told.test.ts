import type { WatchDoorsResponse } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { expect, test } from "vitest";
import { startCountingOrigin } from "../../../../test/kit/counting-origin.ts";
import { getRequest, sendRaw, startEgressLab } from "../../../../test/kit/egress-lab.ts";

test("a failure of the origin is told with its host, which keeps the reasons of its refusals", async () => {
  await using origin = await startCountingOrigin();
  await using lab = await startEgressLab({ ports: [origin.port] });
  lab.names.set("a.test", ["127.0.0.1"]);
  const door = await lab.open(["a.test"]);
  await sendRaw(door, getRequest(door, "http://a.test:1/"));
  await origin[Symbol.asyncDispose]();
  await sendRaw(door, getRequest(door, `http://a.test:${origin.port}/`));
  const { use } = await lab.client.closeDoor({ executionId: door.executionId });
  expect(use).toMatchObject({ requests: 1n, denied: 1n });
  expect(use?.hosts).toMatchObject([
    {
      requests: 1n,
      denied: 1n,
      failed: 1n,
      denialReasons: ["EGRESS_PORT_DENIED"],
      reason: "EGRESS_ORIGIN_UNREACHABLE",
      message: expect.stringContaining("a.test cannot be connected to"),
    },
  ]);
});

test("watchers are told of each reason at once, however often a host was refused for others", async () => {
  await using lab = await startEgressLab({ ports: [80] });
  const door = await lab.open(["a.test"]);
  const stop = new AbortController();
  const stream = lab.client.watchDoors({ owner: "n-lab" }, { signal: stop.signal })[Symbol.asyncIterator]();
  await stream.next();
  const told: (readonly string[] | undefined)[] = [];
  for (const url of ["http://b.test/", "http://a.test:81/", "http://a.test/"]) {
    const next = stream.next();
    await sendRaw(door, getRequest(door, url));
    const { value }: IteratorResult<WatchDoorsResponse, unknown> = await next;
    const { doors = [] } = (value ?? {}) as Partial<WatchDoorsResponse>;
    told.push(doors[0]?.use?.hosts.find(({ host }) => url.includes(host))?.denialReasons);
  }
  expect(told).toEqual([["EGRESS_HOST_NOT_ON_JOB_LIST"], ["EGRESS_PORT_DENIED"], ["EGRESS_PORT_DENIED", "EGRESS_NAME_UNRESOLVED"]]);
  stop.abort();
  await expect(stream.next()).rejects.toMatchObject({ kind: "cancelled" });
});
