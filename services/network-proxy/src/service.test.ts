import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EgressLab, startEgressLab } from "../../../test/kit/egress-lab.ts";
import { randomExecutionId } from "../../../test/kit/random-execution-id.ts";
import { NetworkProxyConfig } from "./config.ts";

let lab: EgressLab;

beforeEach(async () => {
  lab = await startEgressLab({ modes: ["none"], domains: [] });
});
afterEach(async () => await lab[Symbol.asyncDispose]());

test("offers the mode none by default, ports 80 and 443, and 10 Mbit/s", () => {
  expect(NetworkProxyConfig.parse({ dataFolder: "x" })).toMatchObject({ modes: ["none"], ports: [80, 443], rateBitsPerSecond: 10_000_000 });
});

test("opens a door of mode none once, however often it is asked for, and without variables or socket", async () => {
  const executionId = randomExecutionId();
  const network = { mode: Network_Mode.NONE };
  expect(await lab.client.openDoor({ executionId, network })).toMatchObject({ env: {}, socketPath: "", credential: "" });
  await lab.client.openDoor({ executionId, network });
  await lab.client.openDoor({ executionId });
  const { doors } = await lab.client.listDoors({});
  expect(doors.map((door) => [door.executionId, door.network?.mode])).toEqual([[executionId, Network_Mode.NONE]]);
});

test("refuses a mode that it does not offer, and says what it offers", async () => {
  const unknown = lab.client.openDoor({ executionId: randomExecutionId(), network: { mode: 77 as Network_Mode } });
  await expect(unknown).rejects.toMatchObject({ reason: "NETWORK_MODE_NOT_OFFERED", kind: "precondition", metadata: { offered: "none" } });
  const http = lab.client.checkNetwork({ network: { mode: Network_Mode.HTTP, domains: ["example.com"] } });
  await expect(http).rejects.toMatchObject({ reason: "NETWORK_MODE_NOT_OFFERED" });
  expect((await lab.client.listDoors({})).doors).toEqual([]);
});

test("tells ports and limits with what it offers", async () => {
  await using limited = await startEgressLab({ ports: [443, 8443], rateBitsPerSecond: 5_000, egressBytesMax: 7_000, connectionsMax: 9 });
  const { network } = await limited.client.getNetworkPolicy({});
  expect(network).toMatchObject({ ports: [443, 8443], rateBitsPerSecond: 5_000n, egressBytesMax: 7_000n, connectionsMax: 9 });
});

test("refuses what is no execution id", async () => {
  await expect(lab.client.openDoor({ executionId: "../x" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
});

test("closes doors, unknown ones too, and says so when it has stopped", async () => {
  const [first, second] = [randomExecutionId(), randomExecutionId()];
  for (const executionId of [first, second]) await lab.client.openDoor({ executionId });
  await lab.client.closeDoor({ executionId: first });
  await lab.client.closeDoor({ executionId: first });
  expect((await lab.client.listDoors({})).doors.map(({ executionId }) => executionId)).toEqual([second]);
  expect(lab.proxy.isReady()).toBe(true);
  await lab.proxy.stop("test over");
  await expect(lab.client.listDoors({})).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
  expect(lab.proxy.isReady()).toBe(false);
});
