import { type Client, createRouterTransport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../test/kit/random-execution-id.ts";
import { NetworkProxyConfig } from "./config.ts";
import { createNetworkProxyService, type NetworkProxyService } from "./service.ts";

let proxy: NetworkProxyService;
let client: Client<typeof DoorService>;

beforeEach(async () => {
  proxy = createNetworkProxyService(NetworkProxyConfig.parse({}), { logger: silentLogger });
  await proxy.start();
  client = createClient(
    DoorService,
    clientErrors(createRouterTransport(proxy.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
  );
});

test("offers the mode none by default", async () => {
  expect((await client.getNetworkPolicy({})).modes).toEqual([Network_Mode.NONE]);
});

test("opens a door once, however often it is asked for, and without variables", async () => {
  const executionId = randomExecutionId();
  const network = { mode: Network_Mode.NONE };
  expect((await client.openDoor({ executionId, network })).env).toEqual({});
  await client.openDoor({ executionId, network });
  await client.openDoor({ executionId });
  const { doors } = await client.listDoors({});
  expect(doors.map((door) => [door.executionId, door.network?.mode])).toEqual([[executionId, Network_Mode.NONE]]);
});

test("refuses a mode that it does not offer, and says what it offers", async () => {
  const opening = client.openDoor({ executionId: randomExecutionId(), network: { mode: 77 as Network_Mode } });
  await expect(opening).rejects.toMatchObject({ reason: "NETWORK_MODE_NOT_OFFERED", kind: "precondition", metadata: { offered: "none" } });
  expect((await client.listDoors({})).doors).toEqual([]);
});

test("refuses what is no execution id", async () => {
  await expect(client.openDoor({ executionId: "../x" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
});

test("closes doors, unknown ones too, and all of them when it stops", async () => {
  const [first, second] = [randomExecutionId(), randomExecutionId()];
  for (const executionId of [first, second]) await client.openDoor({ executionId });
  await client.closeDoor({ executionId: first });
  await client.closeDoor({ executionId: first });
  expect((await client.listDoors({})).doors.map(({ executionId }) => executionId)).toEqual([second]);
  expect(proxy.isReady()).toBe(true);
  await proxy.stop("test over");
  expect((await client.listDoors({})).doors).toEqual([]);
  expect(proxy.isReady()).toBe(false);
});
