import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { Network_Mode, type NetworkSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { createClient } from "@skrei/platform/client.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/free-port.ts";

const root = join(import.meta.dirname, "../..");
const MIB = 1024n * 1024n;

/** The cluster as `docker compose up -d --wait` makes it, from the repository's own compose.yaml, with ports and data of its own. */
describe("compose.yaml", { timeout: 240_000 }, () => {
  const project = `skrei-test-${String(process.pid)}`;
  let env: NodeJS.ProcessEnv = {};
  let url = "";

  async function compose(...args: string[]): Promise<string> {
    const run = await promisify(execFile)("docker", ["compose", "-p", project, ...args], { cwd: root, env, maxBuffer: 1 << 26 });
    return run.stdout;
  }

  beforeAll(async () => {
    const [port, publisherPort, natsPort] = [await freePort(), await freePort(), await freePort()];
    url = `http://127.0.0.1:${String(port)}`;
    env = {
      ...process.env,
      DOCKER_HOST,
      SKREI_IMAGE: `${project}:local`,
      SKREI_DATA: await mkdtemp(join(tmpdir(), "skrei-compose-")),
      SKREI_DOCKER_SOCKET: DOCKER_HOST.replace("unix://", ""),
      SKREI_PORT: String(port),
      SKREI_PUBLISHER_PORT: String(publisherPort),
      SKREI_NATS_PORT: String(natsPort),
    };
    await compose("up", "--detach", "--wait", "--build");
  }, 240_000);

  afterAll(async () => {
    await compose("down", "--volumes", "--rmi", "local", "--timeout", "30");
    await rm(env["SKREI_DATA"] ?? "", { recursive: true, force: true });
  }, 120_000);

  async function run(count: number, script: string, network: MessageInitShape<typeof NetworkSchema> = {}): Promise<Job_State | undefined> {
    const jobs = createClient(JobService, createHttpTransport({ url }));
    const { job } = await jobs.submitJob({
      spec: {
        count,
        task: {
          engine: { case: "docker", value: { image: "busybox", parameters: ["sh", "-c", script] } },
          network,
          resources: { cpuMillis: 100n, memoryBytes: 32n * MIB, diskBytes: 16n * MIB },
        },
      },
    });
    const jobId = job?.jobId ?? "";
    const ended = await eventually(
      async () => (await jobs.getJob({ jobId })).job,
      (found) => found?.state === Job_State.COMPLETED || found?.state === Job_State.FAILED,
      { withinMs: 90_000, everyMs: 200 },
    );
    return ended?.state;
  }

  test("comes up healthy and runs a job", async () => {
    expect(await run(1, "echo hello")).toBe(Job_State.COMPLETED);
  });

  test("uses every node when it is scaled to three", async () => {
    await compose("up", "--detach", "--wait", "--no-recreate", "--scale", "compute-agent=3");
    const api = createHttpTransport({ url });
    const nodes = createClient(NodeService, api);
    await eventually(
      async () => (await nodes.listNodes({})).nodes.length,
      (length) => length === 3,
      { withinMs: 60_000, everyMs: 200 },
    );
    const jobs = createClient(JobService, api);
    expect(await run(30, "sleep 0.3")).toBe(Job_State.COMPLETED);
    const newest = (await jobs.listJobs({ pageSize: 1 })).jobs[0]?.jobId ?? "";
    const { executions } = await jobs.listExecutions({ jobId: newest, pageSize: 1_000 });
    expect(new Set(executions.map(({ nodeId }) => nodeId)).size).toBe(3);
  });

  test("offers no network at first, and what its policy file says from the moment it says so", async () => {
    const nodes = createClient(NodeService, createHttpTransport({ url }));
    const offers = async (): Promise<string[]> =>
      (await nodes.listNodes({})).nodes.map(({ network }) => `${network?.modes.join(" ") ?? ""}: ${network?.domains.join(" ") ?? ""}`);
    expect(new Set(await offers())).toEqual(new Set([`${String(Network_Mode.NONE)}: `]));
    const policy = join(env["SKREI_DATA"] ?? "", "network-proxy/policy.yaml");
    await writeFile(policy, "modes: [none, http]\ndomains: [.example.org]\n");
    await eventually(
      offers,
      (found) => found.every((offer) => offer === `${String(Network_Mode.NONE)} ${String(Network_Mode.HTTP)}: .example.org`),
      {
        withinMs: 30_000,
        everyMs: 200,
      },
    );
  });

  test("lets a job out to a host that is listed, and never to the cluster, however wide the policy is", async () => {
    const docker = async (...args: string[]): Promise<string> => (await promisify(execFile)("docker", args, { env })).stdout.trim();
    const addressOf = async (container: string): Promise<string> =>
      await docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container).then(
        (text) => text.split(" ")[0] ?? "",
      );
    const site = "mkdir /site && echo from the origin > /site/index.html && exec httpd -f -p 80 -h /site";
    await using stack = new AsyncDisposableStack();
    const container = await docker("run", "-d", "--network", `${project}_egress`, "busybox", "sh", "-c", site);
    stack.defer(async () => void (await docker("rm", "-f", container)));
    const [origin, scheduler, valkey] = [
      await addressOf(container),
      await addressOf(`${project}-scheduler-1`),
      await addressOf(`${project}-valkey-1`),
    ];
    const policy = ["modes: [none, http]", "allowedNetworks: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]", "ports: [80, 1234, 6379]"];
    await writeFile(join(env["SKREI_DATA"] ?? "", "network-proxy/policy.yaml"), `${policy.join("\n")}\nconnectTimeoutMs: 1000\n`);
    const cluster = [`http://${scheduler}:1234/`, `http://${valkey}:6379/`, "http://scheduler:1234/"];
    const script = [
      `wget -q -O- http://${origin}/ | grep -q 'from the origin' || exit 2`,
      ...cluster.map((target) => `wget -q -T 5 -O- ${target} && exit 3`),
      "exit 0",
    ].join("\n");
    expect(await run(1, script, { mode: Network_Mode.HTTP, domains: [origin, scheduler, valkey] })).toBe(Job_State.COMPLETED);
    const network = createClient(NetworkService, createHttpTransport({ url }));
    const jobs = createClient(JobService, createHttpTransport({ url }));
    const jobId = (await jobs.listJobs({ pageSize: 1 })).jobs[0]?.jobId ?? "";
    const [found] = (await network.listNetworkUse({ jobId })).executions;
    // Addresses inside the cluster's own network cannot be connected to from the proxy's; its names are denied before that.
    const noWay: unknown = expect.stringMatching(/^EGRESS_(?:ORIGIN_TIMEOUT|ORIGIN_UNREACHABLE|CLUSTER_DENIED)$/u);
    expect(found?.use?.hosts.map(({ host, receivedBytes, reason }) => [host, receivedBytes > 0n, reason])).toEqual([
      [origin, true, ""],
      [scheduler, false, noWay],
      [valkey, false, noWay],
      ["scheduler", false, "EGRESS_CLUSTER_DENIED"],
    ]);
  });

  test("keeps the network-proxy out of the cluster's own network", async () => {
    const { services } = JSON.parse(await compose("config", "--format", "json")) as {
      services: Record<string, { networks?: Record<string, unknown> }>;
    };
    const inside = Object.entries(services).filter(([, { networks }]) => networks !== undefined && "default" in networks);
    expect(Object.keys(services["network-proxy"]?.networks ?? {})).toEqual(["egress"]);
    expect(inside.map(([name]) => name)).toEqual(expect.arrayContaining(["compute-agent", "nats", "publisher", "scheduler", "valkey"]));
    expect(inside.map(([name]) => name)).not.toContain("network-proxy");
  });

  test("publishes ports on loopback only, shows the engine's socket to compute-agent only, and is nowhere privileged", async () => {
    const { services } = JSON.parse(await compose("config", "--format", "json")) as {
      services: Record<string, { ports?: { host_ip?: string }[]; privileged?: boolean; volumes?: { source: string }[] }>;
    };
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.every(({ host_ip: host }) => host === "127.0.0.1")).toBe(true);
    expect(Object.values(services).some(({ privileged }) => privileged === true)).toBe(false);
    const withSocket = Object.entries(services).filter(([, { volumes }]) => volumes?.some(({ source }) => source.endsWith("docker.sock")));
    expect(withSocket.map(([name]) => name)).toEqual(["compute-agent"]);
  });
});
