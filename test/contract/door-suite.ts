import { randomBytes } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { newExecutionId, type Network } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { DoorService, type OpenDoorResponse } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { networkToProto, networkUseFromProto, nodeNetworkFromProto } from "@skrei/wire/network.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { anHttpNetwork } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";

/** A proxy that offers none and http. */
export interface DoorsUnderTest extends AsyncDisposable {
  /** To its DoorService. */
  readonly transport: Transport;
  /** The operator's list becomes this one. */
  offer(domains: readonly string[]): Promise<void>;
  /** A task asks for a host that is not on its list. */
  beRefused(executionId: string, door: OpenDoorResponse, host: string): Promise<void>;
}

/** What agents rely on in a network-proxy, but for the traffic itself. Call at the top level of a test file. */
export function describeDoors(name: string, start: (domains: readonly string[]) => Promise<DoorsUnderTest>): void {
  describe(`door contract: ${name}`, () => {
    let doors: DoorsUnderTest;
    let api: ReturnType<typeof clientOf>;
    beforeEach(async () => {
      doors = await start(["example.com"]);
      api = clientOf(doors);
    });
    afterEach(() => doors[Symbol.asyncDispose]());

    const open = (executionId: string, owner = "n-1"): Promise<OpenDoorResponse> =>
      api.openDoor({ executionId, network: networkToProto(anHttpNetwork("example.com")), owner, clusterUrls: ["http://127.0.0.1:1234"] });
    const policy = async () => nodeNetworkFromProto((await api.getNetworkPolicy({})).network);

    test("tells modes and list, and another digest when they change", async () => {
      const before = await policy();
      expect(before).toMatchObject({ modes: ["none", "http"], domains: ["example.com"], domainCount: 1, problem: "" });
      await doors.offer(["example.com", "example.org"]);
      const after = await eventually(policy, ({ domainCount }) => domainCount === 2, { withinMs: 10_000 });
      expect(after.policyDigest).not.toBe(before.policyDigest);
    });

    test.each([
      ["another name", anHttpNetwork("example.com", "example.org"), "NETWORK_DOMAIN_NOT_ALLOWED", "example.org"],
      ["another mode", { mode: "full", domains: [], egressBytesMax: 0 } satisfies Network, "NETWORK_MODE_NOT_OFFERED", "full"],
    ] as const)("refuses %s, when asked and when a door is wanted, and names it", async (_, network, reason, word) => {
      const refusal = { kind: "precondition", reason, message: expect.stringContaining(word) };
      await expect(api.checkNetwork({ network: networkToProto(network) })).rejects.toMatchObject(refusal);
      const wish = { executionId: anId(), network: networkToProto(network), owner: "n-1", clusterUrls: [] };
      await expect(api.openDoor(wish)).rejects.toMatchObject(refusal);
      expect((await api.listDoors({})).doors).toEqual([]);
    });

    test("opens one door however often it is asked, and tells the task of it by its environment", async () => {
      const executionId = anId();
      const first = await open(executionId);
      const { env, socketPath, credential, deniedNetworks } = await open(executionId);
      expect({ env, socketPath, credential, deniedNetworks }).toEqual({
        env: first.env,
        socketPath: first.socketPath,
        credential: first.credential,
        deniedNetworks: first.deniedNetworks,
      });
      expect(credential).toMatch(new RegExp(`^${executionId}:.+$`, "u"));
      expect(socketPath).toMatch(new RegExp(`^/.*/doors/${executionId}\\.sock$`, "u"));
      expect(env).toMatchObject({ http_proxy: `http://${credential}@127.0.0.1:3128` });
    });

    test("lists the doors of an owner, or all", async () => {
      const [one, two] = [anId(), anId()];
      await open(one, "n-1");
      await open(two, "n-2");
      const listed = async (owner: string) => (await api.listDoors({ owner })).doors.map(({ executionId }) => executionId);
      expect(await listed("n-2")).toEqual([two]);
      expect((await listed("")).toSorted()).toEqual([one, two].toSorted());
    });

    test("tells an owner's watch of a first refusal, and the count once more at the close", async () => {
      const [mine, other] = [anId(), anId()];
      const door = await open(mine, "n-1");
      await doors.beRefused(other, await open(other, "n-2"), "evil.example");
      const watch = api.watchDoors({ owner: "n-1" }, { signal: AbortSignal.timeout(10_000) });
      let isAsked = false;
      for await (const { doors: told } of watch) {
        expect(told.every(({ owner }) => owner === "n-1")).toBe(true);
        if (told.some(({ use }) => use?.denied === 1n)) break;
        if (!isAsked) await doors.beRefused(mine, door, "evil.example");
        isAsked = true;
      }
      const { use } = await api.closeDoor({ executionId: mine });
      expect(use === undefined ? undefined : networkUseFromProto(use)).toMatchObject({
        denied: 1,
        requests: 0,
        hosts: [{ host: "evil.example", denied: 1, reason: "EGRESS_HOST_NOT_ON_JOB_LIST" }],
      });
      expect((await api.closeDoor({ executionId: mine })).use).toBeUndefined();
      expect((await api.listDoors({ owner: "n-1" })).doors).toEqual([]);
    });

    test("a watch begins with what was counted before it", async () => {
      const executionId = anId();
      await doors.beRefused(executionId, await open(executionId), "evil.example");
      const signal = AbortSignal.timeout(10_000);
      for await (const { doors: told } of api.watchDoors({ owner: "n-1" }, { signal })) {
        expect(told).toMatchObject([{ executionId, use: { denied: 1n } }]);
        break;
      }
    });
  });
}

function clientOf({ transport }: DoorsUnderTest) {
  return createClient(DoorService, transport);
}

function anId(): string {
  return newExecutionId({ nowMs: () => Date.now(), randomBytes: () => randomBytes(10) });
}
