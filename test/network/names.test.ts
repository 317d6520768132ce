import { expect, test } from "vitest";
import { connectThrough, type DoorKey, getThrough, type ProxyAnswer } from "../kit/door-client.ts";
import { ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6, OTHER_ORIGIN_ADDRESS, type Zone } from "../kit/lab.ts";
import { useLab } from "../kit/use-lab.ts";

const under = useLab({ domains: ["*"] });

/** What a hostile owner of a name on the list may answer. */
const HOSTILE_ANSWERS: Zone = {
  "loopback.example.com": [{ a: ["127.0.0.1"] }],
  "private.example.com": [{ a: ["10.1.2.3"] }],
  "private-b.example.com": [{ a: ["172.16.5.6"] }],
  "private-c.example.com": [{ a: ["192.168.7.8"] }],
  "metadata.example.com": [{ a: ["169.254.169.254"] }],
  "carrier.example.com": [{ a: ["100.64.0.1"] }],
  "this-host.example.com": [{ a: ["0.0.0.0"] }],
  "reserved.example.com": [{ a: ["240.0.0.1"] }],
  "benchmark.example.com": [{ a: ["198.18.0.1"] }],
  "alias.example.com": [{ cname: "alias-2.example.com" }],
  "alias-2.example.com": [{ cname: "loopback.example.com" }],
  "only-v6.example.com": [{ aaaa: ["fd00::1"] }],
  "loopback-v6.example.com": [{ aaaa: ["::1"] }],
  "metadata-v6.example.com": [{ aaaa: ["fd00:ec2::254"] }],
  "link-local-v6.example.com": [{ aaaa: ["fe80::1"] }],
  "mapped.example.com": [{ aaaa: ["::ffff:10.1.2.3"] }],
  "nat64.example.com": [{ aaaa: ["64:ff9b::a9fe:a9fe"] }],
  "6to4.example.com": [{ aaaa: ["2002:7f00:1::"] }],
  "teredo.example.com": [{ aaaa: ["2001:0:4136:e378:8000:63bf:f5fe:fdfc"] }],
  "mixed.example.com": [{ a: [ORIGIN_ADDRESS, "10.1.2.3"] }],
  "mixed-v6.example.com": [{ a: [ORIGIN_ADDRESS], aaaa: ["::1"] }],
  "hidden.example.com": [{ a: [...Array.from({ length: 300 }, (_, index) => `93.184.1.${index % 250}`), "127.0.0.1"] }],
};

test("a name whose owner answers with an address of the inside is refused, whatever way it is wrapped", async () => {
  const { lab, proxy } = under();
  await lab.setZone(HOSTILE_ANSWERS);
  const door = await proxy.openDoor({ domains: [".example.com"] });
  for (const name of Object.keys(HOSTILE_ANSWERS).filter((host) => host !== "alias-2.example.com")) {
    const seen = {
      name,
      plain: verdictOf(await getThrough(door, `http://${name}/`)),
      tunnel: verdictOf(await connect(door, `${name}:443`)),
    };
    expect(seen).toEqual({ name, plain: "403 EGRESS_ADDRESS_DENIED", tunnel: "403 EGRESS_ADDRESS_DENIED" });
  }
  expect(await lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("a resolver that answers with an address of the inside every second time gets nobody there in 10,000 requests", async () => {
  const { lab, proxy } = under();
  const turns = [
    { a: [ORIGIN_ADDRESS], ttlSeconds: 0 },
    { a: ["127.0.0.1"], ttlSeconds: 0 },
  ];
  const late = [
    { aaaa: [ORIGIN_ADDRESS_V6], ttlSeconds: 0 },
    { aaaa: ["::1"], ttlSeconds: 0 },
  ];
  await lab.setZone({ "rebind.example.com": turns, "rebind-v6.example.com": late });
  // Several doors: refusals of one come at a pace.
  const doors = await Promise.all(Array.from({ length: 5 }, () => proxy.openDoor({ domains: [".example.com"] })));
  const verdicts = new Map<string, number>();
  let left = 10_000;
  const work = async (door: DoorKey): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const name = left % 2 === 0 ? "rebind.example.com" : "rebind-v6.example.com";
      const verdict = verdictOf(await (left % 4 < 2 ? getThrough(door, `http://${name}/`) : connect(door, `${name}:443`)));
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 10 }, () => doors.map(work)).flat());
  const { canaries, connections } = await lab.takeSightings();
  expect(canaries).toEqual([]);
  expect(new Set(connections.map(({ address }) => address))).toEqual(new Set([ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6]));
  expect([...verdicts.keys()].toSorted()).toEqual(["200", "403 EGRESS_ADDRESS_DENIED"]);
  expect(Math.min(...verdicts.values())).toBeGreaterThan(1_000);
});

test("a name that has no address, or whose server is silent or broken, is told so", async () => {
  const { lab, proxy } = under();
  await lab.setZone({
    "broken.example.com": [{ fails: "SERVFAIL" }],
    "refused.example.com": [{ fails: "REFUSED" }],
    "silent.example.com": [{ fails: "timeout" }],
    "empty.example.com": [{}],
    "round.example.com": [{ cname: "round.example.com" }],
  });
  const door = await proxy.openDoor({ domains: [".example.com"] });
  for (const name of ["none", "broken", "refused", "silent", "empty", "round"]) {
    const { status, headers } = await getThrough(door, `http://${name}.example.com/`);
    expect({ name, reason: headers["x-skrei-reason"] }).toEqual({ name, reason: "EGRESS_NAME_UNRESOLVED" });
    expect([502, 504]).toContain(status);
  }
  expect(await lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("names and addresses of the cluster are refused though both lists have them, by every name that leads there", async () => {
  const { lab, proxy } = under();
  await proxy.setPolicy({ domains: ["*"], allowedNetworks: [`${OTHER_ORIGIN_ADDRESS}/32`] });
  await lab.setZone({
    "scheduler.example.com": [{ a: [ORIGIN_ADDRESS] }],
    "front.example.com": [{ a: [OTHER_ORIGIN_ADDRESS] }],
    "nats.example.com": [{ a: [ORIGIN_ADDRESS] }],
  });
  const clusterUrls = ["http://scheduler.example.com:1234", "nats://nats.example.com:4222", `http://${OTHER_ORIGIN_ADDRESS}:1234`];
  const domains = [".example.com", OTHER_ORIGIN_ADDRESS, "host.docker.internal", "localhost.example.org"];
  const door = await proxy.openDoor({ domains, clusterUrls });
  for (const host of ["scheduler.example.com", "SCHEDULER.Example.com.", "nats.example.com"])
    expect({ host, verdict: verdictOf(await connect(door, `${host}:443`)) }).toEqual({ host, verdict: "403 EGRESS_CLUSTER_DENIED" });
  for (const host of ["front.example.com", OTHER_ORIGIN_ADDRESS])
    expect({ host, verdict: verdictOf(await getThrough(door, `http://${host}/`)) }).toEqual({ host, verdict: "403 EGRESS_CLUSTER_DENIED" });
  expect(await lab.takeSightings()).toMatchObject({ canaries: [], connections: [] });
});

test("the same attacks are seen by the canaries when the operator opens the inside, so the others would be seen too", async () => {
  const { lab, proxy } = under();
  await proxy.setPolicy({ domains: ["*"], allowedNetworks: ["10.0.0.0/8", "169.254.0.0/16"], deniedNetworks: [] });
  await lab.setZone(HOSTILE_ANSWERS);
  const door = await proxy.openDoor({ domains: [".example.com"] });
  const asked = Promise.allSettled([getThrough(door, "http://private.example.com/a-secret")]);
  await expect
    .poll(async () => (await lab.takeSightings()).canaries, { timeout: 5_000 })
    .toMatchObject([{ address: "10.1.2.3", port: 80, begin: expect.stringContaining("GET /a-secret") }]);
  await proxy.api.closeDoor(door);
  await asked; // Cut with the door: a canary never answers.
});

async function connect(door: DoorKey, target: string): Promise<ProxyAnswer> {
  const answer = await connectThrough(door, target);
  answer.socket.destroy();
  return answer;
}

function verdictOf({ status, headers }: ProxyAnswer): string {
  const reason = headers["x-skrei-reason"];
  return reason === undefined ? String(status) : `${status} ${reason}`;
}
