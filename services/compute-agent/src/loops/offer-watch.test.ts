import { NO_NODE_NETWORK, type EngineName, type NodeEngine, type NodeNetwork } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { expect, test } from "vitest";
import type { DoorPort, Executor } from "../ports.ts";
import { OfferWatch } from "./offer-watch.ts";

const WITHIN_MS = 10_000;

function anOffer(probes: Partial<Record<EngineName, () => Promise<NodeEngine>>>, policy: () => Promise<NodeNetwork>): OfferWatch {
  const executors = Object.entries(probes).map(([name, probe]) => [
    name as EngineName,
    { name, probe, start: async () => undefined } as Pick<Executor, "probe" | "start"> as Executor,
  ]);
  const doors = { policy } as Pick<DoorPort, "policy"> as DoorPort;
  return new OfferWatch({
    executors: new Map(executors as [EngineName, Executor][]),
    doors,
    clock: systemClock,
    logger: silentLogger,
  });
}

const engine = (name: EngineName): NodeEngine => ({ name, version: "1", isAvailable: true, message: "" });

test("engines keep their order, whichever answers first", async () => {
  const first = Promise.withResolvers<NodeEngine>();
  const probeLast = () => {
    setImmediate(() => first.resolve(engine("docker")));
    return first.promise;
  };
  const offers = anOffer({ docker: probeLast, wasm: async () => engine("wasm") }, async () => NO_NODE_NETWORK);
  const { engines } = await offers.look(WITHIN_MS);
  expect(engines).toEqual([engine("docker"), engine("wasm")]);
});

test("the network is unknown until the proxy answers, and what it said last stands while it is away", async () => {
  const answers: (NodeNetwork | Error)[] = [new Error("away"), { ...NO_NODE_NETWORK, policyDigest: "d-1" }, new Error("away")];
  const offers = anOffer({}, async () => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error("asked too often");
    return answer;
  });
  expect((await offers.look(WITHIN_MS)).network.modes).toEqual([]);
  const { network } = await offers.look(WITHIN_MS);
  expect(network).toMatchObject({ modes: ["none"], policyDigest: "d-1" });
  expect((await offers.look(WITHIN_MS)).network).toBe(network);
});

test("waiting for another network ends with a mode, a digest or a problem, not with the same again", async () => {
  const same = { ...NO_NODE_NETWORK, policyDigest: "d-1" };
  const answers: NodeNetwork[] = [same, { ...same }, { ...same, problem: "ports[0]: must be a number" }];
  const offers = anOffer({}, async () => answers.shift() ?? same);
  const known = (await offers.look(WITHIN_MS)).network;
  let isOther = false;
  const waiting = offers.networkOtherThan(known, AbortSignal.timeout(WITHIN_MS)).then(() => {
    isOther = true;
  });
  await offers.look(WITHIN_MS);
  await Promise.resolve();
  expect(isOther).toBe(false);
  await offers.look(WITHIN_MS);
  await waiting;
  expect(offers.network.problem).toContain("ports[0]");
  await offers.networkOtherThan(offers.network, AbortSignal.abort());
});
