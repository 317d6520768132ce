import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../../../../test/kit/counting-origin.ts";
import { connectThrough } from "../../../../test/kit/door-client.ts";
import { type EgressLab, getRequest, readFrom, sendRaw, startEgressLab } from "../../../../test/kit/egress-lab.ts";
import { eventually } from "../../../../test/kit/eventually.ts";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";

let origin: CountingOrigin;
let lab: EgressLab;
let url: string;

beforeEach(async () => {
  origin = await startCountingOrigin();
  lab = await startEgressLab({ ports: [origin.port] });
  lab.names.set("a.test", ["127.0.0.1"]).set("b.test", ["127.0.0.1"]).set("in.test", ["10.0.0.1", "127.0.0.1"]);
  url = `http://a.test:${origin.port}/`;
});
afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

test("gives the same door however often and however concurrently it is asked for", async () => {
  const executionId = randomExecutionId();
  const network = { mode: Network_Mode.HTTP, domains: ["a.test"] };
  const doors = await Promise.all(Array.from({ length: 8 }, () => lab.client.openDoor({ executionId, network, owner: "n-1" })));
  expect(new Set(doors.map(({ credential }) => credential)).size).toBe(1);
  expect(doors[0]?.env).toMatchObject({
    http_proxy: `http://${doors[0]?.credential}@127.0.0.1:3128`,
    HTTPS_PROXY: `http://${doors[0]?.credential}@127.0.0.1:3128`,
    no_proxy: "localhost,127.0.0.1,::1",
    NODE_USE_ENV_PROXY: "1",
  });
  expect(doors[0]?.credential).toMatch(new RegExp(`^${executionId}:[\\w-]{43}$`, "u"));
  await Promise.all([
    lab.client.closeDoor({ executionId }),
    lab.client.openDoor({ executionId, network }),
    lab.client.closeDoor({ executionId }),
  ]);
  expect((await lab.client.listDoors({})).doors).toEqual([]);
  expect(await readdir(join(lab.dataFolder, "doors"))).toEqual([]);
});

test("closing cuts what is open, tells the count, and leaves no socket", async () => {
  const door = await lab.open(["a.test"]);
  await sendRaw(door, getRequest(door, url));
  await sendRaw(door, getRequest(door, `http://b.test:${origin.port}/`));
  const idle = connect(door.socketPath);
  const cut = readFrom(idle);
  const { use } = await lab.client.closeDoor({ executionId: door.executionId });
  expect(await cut).toBe("");
  expect(use).toMatchObject({
    requests: 1n,
    denied: 1n,
    hosts: [
      { host: "a.test", requests: 1n, denied: 0n, rule: "a.test", reason: "" },
      { host: "b.test", requests: 0n, denied: 1n, rule: "", reason: "EGRESS_HOST_NOT_ON_JOB_LIST" },
    ],
  });
  expect(Number(use?.sentBytes)).toBe(origin.text().length);
  expect(Number(use?.receivedBytes)).toBeGreaterThan(2);
  expect((await lab.client.closeDoor({ executionId: door.executionId })).use).toBeUndefined();
  expect(await readdir(join(lab.dataFolder, "doors"))).toEqual([]);
});

test("refuses names that lead to the cluster, to addresses of the inside, or partly there", async () => {
  const door = await lab.open(["a.test", "b.test", "in.test", "127.0.0.1"], {
    clusterUrls: ["http://b.test:1234", "nats://127.0.0.2:4222"],
  });
  const reasonOf = async (host: string): Promise<string | undefined> =>
    /X-Skrei-Reason: (\w+)/u.exec(await sendRaw(door, getRequest(door, `http://${host}:${origin.port}/`)))?.[1];
  expect(await reasonOf("b.test")).toBe("EGRESS_CLUSTER_DENIED");
  lab.names.set("a.test", ["127.0.0.2"]);
  expect(await reasonOf("a.test")).toBe("EGRESS_CLUSTER_DENIED");
  lab.names.set("a.test", ["127.0.0.1"]);
  expect(await reasonOf("a.test")).toBe("EGRESS_CLUSTER_DENIED");
  expect(await reasonOf("in.test")).toMatch(/DENIED/u);
  expect(origin.received).toEqual([]);
});

test("tells mode full what to close, the cluster and the operator's networks with it", async () => {
  const opened = await lab.client.openDoor({
    executionId: randomExecutionId(),
    network: { mode: Network_Mode.FULL },
    clusterUrls: ["http://9.9.9.9:1"],
  });
  expect(opened.env).toEqual({});
  expect(opened.socketPath).not.toBe("");
  for (const network of ["10.0.0.0/8", "169.254.0.0/16", "169.254.169.254/32", "100.64.0.0/10", "9.9.9.9/32", "fc00::/7"]) {
    expect(opened.deniedNetworks).toContain(network);
  }
  expect(opened.deniedNetworks).not.toContain("127.0.0.0/8");
});

test("watchers get all doors first, a host's first refusal at once, and only their owner's", async () => {
  const door = await lab.open(["a.test"]);
  const stop = new AbortController();
  const stream = lab.client.watchDoors({ owner: "n-lab" }, { signal: stop.signal })[Symbol.asyncIterator]();
  expect((await stream.next()).value?.doors).toMatchObject([{ executionId: door.executionId }]);
  const next = stream.next();
  await sendRaw(door, getRequest(door, `http://b.test:${origin.port}/`));
  expect((await next).value?.doors).toMatchObject([{ use: { denied: 1n, hosts: [{ host: "b.test" }] } }]);
  const later = stream.next();
  await sendRaw(door, getRequest(door, url));
  expect((await later).value?.doors).toMatchObject([{ use: { denied: 1n, requests: 1n } }]);
  const others = lab.client.watchDoors({ owner: "n-other" }, { signal: stop.signal })[Symbol.asyncIterator]();
  expect((await others.next()).value?.doors).toEqual([]);
  stop.abort();
  await expect(stream.next()).rejects.toMatchObject({ kind: "cancelled" });
});

test("explains a request as it would be judged, without sending it", async () => {
  const network = { mode: Network_Mode.HTTP, domains: ["a.test", "in.test", "gone.test"] };
  const explain = async (asked: string): Promise<unknown> => (await lab.client.explainEgress({ url: asked, network })).explanation;
  expect(await explain(`http://A.test.:${origin.port}/x`)).toMatchObject({
    allowed: true,
    host: "a.test",
    port: origin.port,
    jobRule: "a.test",
    nodeRule: "*",
    addresses: [{ address: "127.0.0.1", addressClass: "loopback", allowed: true }],
  });
  expect(await explain(`http://in.test:${origin.port}`)).toMatchObject({
    allowed: false,
    reason: "EGRESS_ADDRESS_DENIED",
    jobRule: "in.test",
    addresses: [{ allowed: false, addressClass: "private" }, { allowed: true }],
  });
  expect(await explain(`https://gone.test:${origin.port}/`)).toMatchObject({ allowed: false, reason: "EGRESS_NAME_UNRESOLVED" });
  expect(await explain("https://a.test/")).toMatchObject({ allowed: false, reason: "EGRESS_PORT_DENIED", port: 443 });
  await expect(explain("ftp://a.test/")).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  expect(origin.received).toEqual([]);
});

test("a changed policy file is in force without a restart; a bad one is told and is not", async () => {
  const path = join(lab.dataFolder, "policy.yaml");
  const base = `modes: [none, http]\nallowedNetworks: [127.0.0.0/8]\nports: [${origin.port}]\n`;
  writeFileSync(path, `${base}domains: [.test]\n`);
  await using other = await startEgressLab({ policyFile: path });
  other.names.set("a.test", ["127.0.0.1"]);
  const door = await other.open(["a.test"]);
  const tunnel = await connectThrough(door, `a.test:${origin.port}`);
  expect(tunnel.status).toBe(200);
  const cut = readFrom(tunnel.socket);
  const policy = async (): Promise<{ problem?: string; digest?: string }> => {
    const { network } = await other.client.getNetworkPolicy({});
    return { problem: network?.problem ?? "", digest: network?.policyDigest ?? "" };
  };
  const { digest } = await policy();
  writeFileSync(path, `${base}domains: ["not a name"]\nportz: [1]\n`);
  const { problem } = await eventually(policy, (now) => now.problem !== "", { withinMs: 5_000 });
  expect(problem).toMatch(/domains\.0: [\s\S]*|portz/u);
  expect((await policy()).digest).toBe(digest);
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 200 /u);
  writeFileSync(path, `${base}domains: [b.test]\n`);
  await eventually(policy, (now) => now.problem === "" && now.digest !== digest, { withinMs: 5_000 });
  expect(await cut).toBe("");
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 403 [\s\S]*EGRESS_HOST_NOT_ON_NODE_LIST/u);
  await expect(other.open(["a.test"])).rejects.toMatchObject({ reason: "NETWORK_DOMAIN_NOT_ALLOWED" });
  writeFileSync(path, `${base.replace(", http", "")}domains: [.test]\n`);
  await eventually(
    async () => (await other.client.getNetworkPolicy({})).modes.length,
    (count) => count === 1,
    { withinMs: 5_000 },
  );
  expect(await sendRaw(door, getRequest(door, url))).toMatch(/^HTTP\/1\.1 403 [\s\S]*does not offer the network mode http/u);
});

test.each([
  ["a pipe", (path: string) => void execFileSync("mkfifo", [path])],
  ["a folder", (path: string) => mkdirSync(path)],
  ["a link that leads nowhere", (path: string) => symlinkSync("/nonexistent", path)],
  ["an endless device", (path: string) => symlinkSync("/dev/zero", path)],
  ["a huge file", (path: string) => void execFileSync("truncate", ["--size", "100M", path])],
  ["an empty file", (path: string) => writeFileSync(path, "")],
])("%s in the place of the policy file changes nothing and is told, as long as it is there", async (_what, put) => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-policy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "policy.yaml");
  const policy = "modes: [none, http]\ndomains: [a.test]\n";
  writeFileSync(path, policy);
  await using other = await startEgressLab({ policyFile: path });
  const told = async (): Promise<{ problem: string; domains: readonly string[] }> => {
    const { problem = "", domains = [] } = (await other.client.getNetworkPolicy({})).network ?? {};
    return { problem, domains };
  };
  rmSync(path);
  put(path);
  const { domains } = await eventually(told, ({ problem }) => problem !== "", { withinMs: 5_000 });
  expect(domains).toEqual(["a.test"]);
  rmSync(path, { recursive: true });
  writeFileSync(path, policy.replace("a.test", "b.test"));
  expect((await eventually(told, ({ problem }) => problem === "", { withinMs: 5_000 })).domains).toEqual(["b.test"]);
});

test.each([
  ["a policy file that is not there", { policyFile: "/nonexistent/policy.yaml" }],
  ["a data folder too deep for sockets", { dataFolder: `/tmp/${"x".repeat(90)}` }],
])("does not start with %s", async (_name, settings) => {
  await expect(startEgressLab(settings)).rejects.toMatchObject({ reason: "CONFIG_INVALID" });
});

test.each([
  ["is no database", (path: string) => writeFileSync(path, "x".repeat(5_000))],
  ["is a folder", (path: string) => mkdirSync(path)],
  [
    "has a row that is no door",
    (path: string) => {
      using database = new DatabaseSync(path);
      database.exec("CREATE TABLE door (id TEXT PRIMARY KEY, opening TEXT NOT NULL, network_use TEXT NOT NULL) STRICT, WITHOUT ROWID");
      database.exec("PRAGMA user_version = 1; INSERT INTO door VALUES ('e', '{half', '{}')");
    },
  ],
])("does not start, and says why, when its journal %s", async (_name, damage) => {
  const dataFolder = mkdtempSync(join(tmpdir(), "skrei-journal-"));
  damage(join(dataFolder, "doors.db"));
  await expect(startEgressLab({ dataFolder })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  rmSync(dataFolder, { recursive: true });
});

test("does not share its data folder", async () => {
  await expect(startEgressLab({ dataFolder: lab.dataFolder })).rejects.toMatchObject({ reason: "DATA_LOCKED" });
});

test("a door that could not be opened again is forgotten when it is closed, and can be opened anew", async () => {
  const [kept, closed, reopened] = [await lab.open(["a.test"]), await lab.open(["a.test"]), await lab.open(["a.test"])];
  await lab.proxy.stop("restart");
  // Something that no socket can take the place of.
  for (const { socketPath } of [closed, reopened]) mkdirSync(join(socketPath, "x"), { recursive: true });
  const start = async (): Promise<EgressLab> => await startEgressLab({ ports: [origin.port], dataFolder: lab.dataFolder });
  {
    await using again = await start();
    expect((await again.client.listDoors({})).doors).toMatchObject([{ executionId: kept.executionId }]);
    for (const { socketPath } of [closed, reopened]) rmSync(socketPath, { recursive: true });
    await again.client.closeDoor({ executionId: closed.executionId });
    const network = { mode: Network_Mode.HTTP, domains: ["a.test"] };
    const { credential } = await again.client.openDoor({ executionId: reopened.executionId, network, owner: "n-lab" });
    expect(credential).toBe(reopened.credential);
  }
  await using later = await start();
  const { doors } = await later.client.listDoors({});
  expect(doors.map(({ executionId }) => executionId)).toEqual([kept.executionId, reopened.executionId].toSorted());
});
