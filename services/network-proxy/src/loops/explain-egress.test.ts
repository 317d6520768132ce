import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Explanation } from "@skrei/proto/skrei/network/v1/explanation_pb.ts";
import { expect, test } from "vitest";
import { type EgressLab, getRequest, type LabDoor, sendRaw, startEgressLab } from "../../../../test/kit/egress-lab.ts";

interface Question {
  readonly url: string;
  readonly domains: string[];
  readonly mode?: Network_Mode;
  readonly clusterUrls?: string[];
  readonly executionId?: string;
  readonly owner?: string;
}

async function explain(
  { client }: EgressLab,
  { url, domains, mode = Network_Mode.HTTP, ...rest }: Question,
): Promise<Explanation | undefined> {
  return (await client.explainEgress({ url, network: { mode, domains }, ...rest })).explanation;
}

test("the cluster is out of reach though no door was opened yet", async () => {
  await using lab = await startEgressLab();
  lab.names.set("api.test", ["127.0.0.2"]).set("alias.test", ["127.0.0.2"]);
  const asked = { domains: [".test"], clusterUrls: ["http://api.test:1234"] };
  const denied = { allowed: false, reason: "EGRESS_CLUSTER_DENIED" };
  expect(await explain(lab, { ...asked, url: "http://api.test/" })).toMatchObject(denied);
  expect(await explain(lab, { ...asked, url: "http://alias.test/" })).toMatchObject(denied);
  expect(await explain(lab, { ...asked, clusterUrls: [], url: "http://alias.test/" })).toMatchObject({ allowed: true });
});

test("an open door judges by what it was opened with, and counts for its owner alone", async () => {
  await using lab = await startEgressLab();
  lab.names.set("a.test", ["127.0.0.2"]);
  const { executionId } = await lab.open(["a.test"], { clusterUrls: ["http://a.test:1"] });
  const asked = { url: "http://a.test/", domains: ["a.test"], clusterUrls: ["http://b.test:1"], executionId };
  expect(await explain(lab, { ...asked, owner: "n-lab" })).toMatchObject({ reason: "EGRESS_CLUSTER_DENIED" });
  expect(await explain(lab, { ...asked, owner: "n-other" })).toMatchObject({ allowed: true });
});

test("what no task could have is said before the host is judged, and nothing is looked up for it", async () => {
  await using lab = await startEgressLab({ modes: ["none", "http"], domains: ["a.test"] });
  const unresolved = "http://gone.test/";
  const mode = await explain(lab, { url: unresolved, domains: [], mode: Network_Mode.FULL });
  expect(mode).toMatchObject({ allowed: false, reason: "NETWORK_MODE_NOT_OFFERED", host: "gone.test", port: 80, addresses: [] });
  const asked = { mode: Network_Mode.HTTP, domains: ["gone.test", "a.test"] };
  const refusal = await lab.client.checkNetwork({ network: asked }).catch((error: unknown) => error);
  const { reason, message } = refusal as { reason: string; message: string };
  expect(reason).toBe("NETWORK_DOMAIN_NOT_ALLOWED");
  expect(await explain(lab, { url: unresolved, ...asked })).toMatchObject({ allowed: false, reason, message });
  expect(await explain(lab, { url: "https://evil.test/", ...asked })).toMatchObject({ allowed: false, reason, message });
  expect(await explain(lab, { url: "https://evil.test/", domains: ["a.test"] })).toMatchObject({ reason: "EGRESS_HOST_NOT_ON_JOB_LIST" });
});

test.each(["a%2etest", "a.test%00", "me@a.test", "me:word@a.test", "a.test:0", "a.test:99999", "a.test:", "0x7f.1", "[::1", "a_.test."])(
  "says of http://%s/ what a request to it gets",
  async (authority) => {
    await using lab = await startEgressLab();
    lab.names.set("a.test", ["127.0.0.1"]);
    const door = await lab.open(["a.test"]);
    const { executionId } = door;
    const explanation = await explain(lab, { url: `http://${authority}/`, domains: ["a.test"], executionId });
    expect(explanation).toMatchObject({ allowed: false, reason: await reasonOf(door, authority) });
  },
);

async function reasonOf(door: LabDoor, authority: string): Promise<string | undefined> {
  const request = getRequest(door, "http://x.test/")
    .replaceAll("x.test", authority)
    .replace("Host: " + authority, "Host: x.test");
  return /X-Skrei-Reason: (\w+)/u.exec(await sendRaw(door, request))?.[1];
}
