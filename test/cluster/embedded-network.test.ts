import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/free-port.ts";

const FETCH = fileURLToPath(new URL("../../examples/fetch/fetch.wasm", import.meta.url));
/** An address that is neither the cluster's nor the proxy's own, on a machine that has no other. */
const ORIGIN = "127.0.0.2";

let embedded: Embedded;
let origin: Server;
let port: number;
let asked: string[];

beforeAll(async () => {
  asked = [];
  origin = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(`you asked for ${request.url}\n`);
  });
  port = await new Promise((resolve) => origin.listen(0, ORIGIN, () => resolve((origin.address() as AddressInfo).port)));
  embedded = await startEmbedded(["--nodes", "2", "--network-policy", "policy.yaml"], { "policy.yaml": policy() });
});
afterAll(async () => {
  await embedded[Symbol.asyncDispose]();
  origin.close();
});

function policy(...more: readonly string[]): string {
  return ["modes: [none, http]", "domains: [.example.org]", `ports: [80, ${port}]`, `allowedNetworks: [${ORIGIN}/32]`, ...more, ""].join(
    "\n",
  );
}

const setPolicy = (text: string): Promise<void> => writeFile(join(embedded.folder, "policy.yaml"), text);
const url = (path: string): string => `http://${ORIGIN}:${port}${path}`;
const fetchJob = (...words: readonly string[]): readonly string[] => ["wasm", "run", FETCH, "-o", "outputs:/outputs", ...words];

async function submit(...words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await embedded.runCli([...fetchJob("--detach", ...words)]);
  expect(stdout, stderr).toMatch(/^j-/u);
  return stdout.trim();
}

test("a module reaches the host on its list, and describe and net list tell of it", async () => {
  const jobId = await submit("--network", ORIGIN, "--", url("/one"));
  expect(await embedded.runCli(["job", "wait", jobId])).toMatchObject({ code: 0 });
  expect(asked).toContain("/one");
  expect((await embedded.runCli(["job", "logs", jobId])).stdout).toMatch(/status 200, 19 bytes/u);
  const described = (await embedded.runCli(["job", "describe", jobId])).stdout;
  expect(described).toMatch(new RegExp(`^network +http: ${ORIGIN}$`, "mu"));
  expect(described).toMatch(/^Network: 1 allowed, 0 denied, \d+B sent, \d+B received$/mu);
  expect(described).toMatch(new RegExp(`^${ORIGIN} +1 +0 +\\d+B +\\d+B$`, "mu"));
  const listed = JSON.parse((await embedded.runCli(["net", "list", jobId, "--json"])).stdout) as { use: { requests: string } }[];
  expect(listed).toMatchObject([{ jobId, use: { requests: "1", hosts: [{ host: ORIGIN, rule: ORIGIN }] } }]);
  const table = await embedded.runCli(["net", "list", jobId, "-o", "wide"]);
  expect(table.stdout).toMatch(/^JOB +PART +NODE +EXECUTION +STATE +HOST/mu);
  expect(table.stderr).toMatch(/^1 execution: 1 allowed, 0 denied/u);
});

test("a run that was refused a host names it, why, and what to type; which says the same", async () => {
  const { code, stderr } = await embedded.runCli([...fetchJob("--network", ORIGIN, "--", "http://ads.example.org/")]);
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(/^ {2}net: 1 request to ads\.example\.org: ads\.example\.org is not on this job's list/mu);
  const look = / look: skrei (net explain ads\.example\.org --job j-\w+)/u.exec(stderr)?.[1] ?? "";
  const explained = await embedded.runCli(look.split(" "));
  expect(explained.code, explained.stderr).toBe(1);
  expect(explained.stdout).toMatch(/^verdict +denied on dev-1, dev-2$/mu);
  expect(explained.stdout).toMatch(/^why +.*not on this job's list.*\(EGRESS_HOST_NOT_ON_JOB_LIST\)$/mu);
  expect(explained.stdout).toMatch(/^fix +Add "ads\.example\.org" to network\.domains/mu);
  const jobId = look.split(" ").at(-1) ?? "";
  expect((await embedded.runCli(["job", "wait", jobId])).stderr).toContain(`look: skrei ${look}`);
  expect((await embedded.runCli(["job", "describe", jobId])).stdout).toMatch(/^ads\.example\.org +0 +1 .*EGRESS_HOST_NOT_ON_JOB_LIST: /mu);
  expect((await embedded.runCli(["job", "history", jobId])).stdout).toMatch(/execution\.egress_denied .*ads\.example\.org/u);
});

test("explains before trying: allowed with its rules and addresses, and the cluster never", async () => {
  const allowed = await embedded.runCli(["net", "explain", url("/"), "--domain", ORIGIN, "--node", "dev-2"]);
  expect(allowed.code, allowed.stdout + allowed.stderr).toBe(0);
  expect(allowed.stdout).toMatch(/^verdict +allowed on dev-2$/mu);
  expect(allowed.stdout).toMatch(new RegExp(`^rules +${ORIGIN} on the job's list, ${ORIGIN}/32 on the node's list$`, "mu"));
  expect(allowed.stdout).toMatch(new RegExp(`^addresses +${ORIGIN} \\(loopback\\)$`, "mu"));
  const cluster = await embedded.runCli(["net", "explain", embedded.url, "--network", "127.0.0.1", "-o", "json"]);
  expect(cluster.code).toBe(1);
  expect(JSON.parse(cluster.stdout)).toMatchObject({ nodes: [{ explanation: { allowed: false } }, { explanation: { allowed: false } }] });
  expect(cluster.stdout).toMatch(/EGRESS_CLUSTER_DENIED|EGRESS_LITERAL_DENIED|NETWORK_DOMAIN_NOT_ALLOWED/u);
  expect(asked.filter((path) => path === "/")).toEqual([]);
});

test("shows refusals while they happen", async () => {
  await using watching = embedded.startCli(["net", "list", "--watch"]);
  await eventually(
    async () => {
      await submit("--network", ORIGIN, "--", "http://live.example.org/");
      return watching.stdout();
    },
    (text) => text.includes("live.example.org"),
    { withinMs: 30_000, everyMs: 500 },
  );
  expect(watching.stdout()).toMatch(/part 0 on dev-\d: live\.example\.org, 0 allowed, 1 denied, .*; last problem: live\.example\.org/u);
});

test("a job whose list no node covers says so, and runs once the policy does, without a restart", async () => {
  await setPolicy(policy().replace(/^allowedNetworks.*$/mu, ""));
  await eventually(
    async () => (await embedded.runCli(["net", "explain", url("/"), "--domain", ORIGIN])).code,
    (code) => code === 1,
    { withinMs: 20_000, everyMs: 100 },
  );
  const refused = await embedded.runCli([...fetchJob("--network", ORIGIN, "--", url("/late"))]);
  expect(refused.code, refused.stderr).toBe(6);
  expect(refused.stderr).toMatch(
    /^waiting: 1 part, 2 nodes looked at: 2 × this node does not allow 127\.0\.0\.2[^]*error: No node can run this job[^]*--network-policy FILE/mu,
  );
  expect(refused.stderr).toMatch(/code: NETWORK_DOMAIN_NOT_ALLOWED/u);
  const jobId = /skrei job stop (j-\w+)/u.exec(refused.stderr)?.[1] ?? "";
  expect((await embedded.runCli(["net", "list"])).stdout).toMatch(
    /^WAITING +NETWORK +WHY\n.*http: 127\.0\.0\.2 +2 × this node does not allow/mu,
  );
  const described = (await embedded.runCli(["job", "describe", jobId])).stdout;
  expect(described).toMatch(/^code +NETWORK_DOMAIN_NOT_ALLOWED\nfix +allow it with .*--network-policy FILE/mu);
  const detached = await embedded.runCli([...fetchJob("-d", "--network", "other.example.com", "--", url("/never"))]);
  expect(detached.stderr).toMatch(/^note: no node can run it as the cluster stands; waiting: .*does not allow other\.example\.com/mu);
  await setPolicy(policy());
  expect(await embedded.runCli(["job", "wait", jobId])).toMatchObject({ code: 0 });
  expect(asked).toContain("/late");
});

test("a policy with a mistake changes nothing and shows at the node", async () => {
  await setPolicy(policy("connectionsMax: lots"));
  const shown = await eventually(
    async () => (await embedded.runCli(["node", "describe", "dev-1"])).stdout,
    (text) => text.includes("policy problem"),
    { withinMs: 20_000, everyMs: 100 },
  );
  expect(shown).toMatch(/^network +none, http \(\.example\.org\)$/mu);
  expect(shown).toMatch(/^policy problem +.*connectionsMax/mu);
  await setPolicy(policy());
  await eventually(
    async () => (await embedded.runCli(["node", "describe", "dev-1"])).stdout,
    (text) => !text.includes("policy problem"),
    { withinMs: 20_000, everyMs: 100 },
  );
});

test("a container reaches the host on its list by http_proxy, and nothing else", async () => {
  const script = `wget -q -O- ${url("/box")}; wget -q -O- http://ads.example.org/ || echo refused; wget -q -T 3 -Y off -O- ${url("/direct")} || echo closed`;
  const { code, stdout, stderr } = await embedded.runCli(["docker", "run", "--network", ORIGIN, "busybox", "--", "sh", "-c", script]);
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "you asked for /box\nrefused\nclosed\n" });
  expect(asked).toContain("/box");
  expect(asked).not.toContain("/direct");
});

test("skrei dev with a policy that has mistakes does not start, and names all of them", async () => {
  await writeFile(join(embedded.folder, "bad.yaml"), "modes: [some]\nports: [0]\n");
  const { code, stderr } = await embedded.runCli(["dev", "--port", String(await freePort()), "--network-policy", "bad.yaml"]);
  expect(code).toBe(78);
  expect(stderr).toMatch(/bad\.yaml/u);
  expect(stderr).toMatch(/modes/u);
  expect(stderr).toMatch(/ports/u);
});
