import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { newExecutionId, newJobId, newNodeId, type ExecutionId } from "@skrei/domain";
import { createDockerExecutor } from "@skrei/compute-agent/docker-executor";
import type { Clock, Door, Executor, RunSpec } from "@skrei/compute-agent/ports";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openCanaries } from "../kit/canaries.ts";
import { CollectedOutput } from "../kit/collected-output.ts";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { containersOf } from "../kit/docker-leftovers.ts";
import { eventually } from "../kit/eventually.ts";
import { startPublicHost } from "../kit/public-host.ts";

const MIB = 1024 * 1024;
const CLIENTS = "skrei-clients:1";
const WAYS_OUT = readFileSync(join(import.meta.dirname, "../kit/ways-out.py"), "utf8");
const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };
const nodeId = newNodeId(ids);
const secret = randomBytes(16).toString("hex");
const NETWORK = `skrei-full-${nodeId}`;
const folder = mkdtempSync(join(tmpdir(), "docker-full-"));
const DOOR: Door = {
  mode: "full",
  env: {},
  socketPath: join(folder, "unused.sock"),
  credential: "",
  deniedNetworks: ["10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.2.0/24", "::/8", "fc00::/7"],
};

function create(user = "65532:65532"): Executor {
  const slotsFolder = join(folder, "slots");
  return createDockerExecutor({ host: DOCKER_HOST, nodeId, secret, user, holdersIdleMax: 0, slotsFolder, pullTimeoutMs: 30_000, clock });
}

let executor: Executor;

beforeAll(async () => {
  executor = create();
  await executor.start();
}, 60_000);
afterAll(async () => {
  await executor.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const within = (): AbortSignal => AbortSignal.timeout(60_000);

async function launch(
  parameters: readonly string[],
  door = DOOR,
  by = executor,
): Promise<{ executionId: ExecutionId; output: CollectedOutput }> {
  const executionId = newExecutionId(ids);
  const spec: RunSpec = {
    executionId,
    jobId: newJobId(ids),
    epoch: 1,
    engine: { name: "docker", image: CLIENTS, entrypoint: [], parameters, workingDirectory: "" },
    env: {},
    mounts: [],
    limits: { cpuMillis: 1_000, memoryBytes: 128 * MIB, diskBytes: 64 * MIB, timeoutMs: 0 },
    door,
    scratchFolder: folder,
  };
  const output = new CollectedOutput();
  onTestFinished(() => by.remove(executionId));
  await by.prepare(spec, within());
  await by.launch(spec, output, within());
  return { executionId, output };
}

async function run(parameters: readonly string[], door = DOOR): Promise<string> {
  const { executionId, output } = await launch(parameters, door);
  await executor.wait(executionId, within());
  return output.stdout;
}

const docker = async (...words: string[]): Promise<string> =>
  (await promisify(execFile)("docker", ["--host", DOCKER_HOST, ...words])).stdout.trim();

/** Where a running task is. */
async function placeOf(
  executionId: ExecutionId,
): Promise<{ holderId: string; pid: string; address: string; gateway: string; broadcast: string }> {
  const holderId = (await docker("inspect", "-f", "{{.HostConfig.NetworkMode}}", `skrei-${executionId}`)).replace("container:", "");
  const [pid = "", address = "", gateway = ""] = (
    await docker("inspect", "-f", "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}", holderId)
  ).split(" ");
  const subnet = await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", NETWORK);
  return { holderId, pid, address, gateway, broadcast: lastOf(subnet) };
}

function lastOf(subnet: string): string {
  const [address = "", bits = ""] = subnet.split("/");
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) + 2 ** (32 - Number(bits)) - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

const hostAddresses = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .filter(({ internal, family }) => !internal && family === "IPv4")
  .map(({ address }) => address);

describe("a task in mode full", { timeout: 120_000 }, () => {
  test("reaches a public address, and a private one behind the same way out never", async () => {
    await using host = await startPublicHost();
    const get = (address: string): string => `curl -sS --max-time 5 http://${address}/ 2>&1; echo`;
    const stdout = await run(["sh", "-c", `${get(host.address)}; ${get(host.privateAddress)}`]);
    expect(stdout.split("\n")[0]).toBe("public");
    expect(stdout.split("\n")[1]).toMatch(/failed to connect/iu);
  });

  test("has no way to the host, its neighbours, metadata, broadcast or multicast", async () => {
    await using canaries = await openCanaries();
    await using host = await startPublicHost();
    const neighbour = await launch(["python3", "-m", "http.server", String(canaries.port)]);
    const there = await placeOf(neighbour.executionId);
    const targets = [there.gateway, there.address, there.broadcast, ...hostAddresses, host.privateAddress, "169.254.169.254", "224.0.0.1"];
    const stdout = await run(["python3", "-c", WAYS_OUT, String(canaries.port), ...targets]);
    expect(stdout).toMatch(/^tried \d+\n$/u);
    expect(canaries.take()).toEqual([]);
    expect(neighbour.output.stderr).toBe("");

    // The same ways lead out of a container that is not closed, or the test would prove nothing.
    const open = await docker(
      "run",
      "--rm",
      "--user",
      "65532",
      "--cap-drop",
      "ALL",
      CLIENTS,
      "python3",
      "-c",
      WAYS_OUT,
      String(canaries.port),
      ...hostAddresses,
    );
    expect(open).toContain("connected");
    const seen = canaries.take().join("\n");
    for (const sign of ["tcp", "plain", "pktinfo", "broadcast", "multicast"]) expect(seen).toContain(sign);
  });

  test("cannot be reached by its neighbours and the host", async () => {
    const listener = await launch(["python3", "-m", "http.server", "8000"]);
    const { address, pid } = await placeOf(listener.executionId);
    await eventually(() => listening(pid), Boolean, { withinMs: 30_000 });
    const answer = await run(["curl", "-sS", "--max-time", "3", `http://${address}:8000/`]);
    expect(answer).toBe("");
    // 28 is curl's for a time-out.
    await expect(promisify(execFile)("curl", ["--max-time", "2", `http://${address}:8000/`])).rejects.toMatchObject({ code: 28 });
    expect(listener.output.stderr).toBe("");
  });

  test("resolves names by the engine's resolver, whose questions pass and whose port is no way out", async () => {
    const { executionId, output } = await launch([
      "sh",
      "-c",
      "cat /etc/resolv.conf; getent ahostsv4 $(hostname) | head -1; echo end; sleep 60",
    ]);
    await eventually(
      () => output.stdout,
      (stdout) => stdout.includes("end"),
      { withinMs: 30_000 },
    );
    const { gateway, pid, address } = await placeOf(executionId);
    expect(output.stdout).toContain("nameserver 127.0.0.11");
    expect(output.stdout).toContain(address);
    // A name server of the host: the engine asks it from inside the namespace, as root.
    const questions: string[] = [];
    const nameServer = createSocket("udp4", (data) => questions.push(data.toString()));
    nameServer.bind(53, gateway);
    await once(nameServer, "listening");
    onTestFinished(() => void nameServer.close());
    const ask = `require("node:dgram").createSocket("udp4").send(process.argv[1], 53, ${JSON.stringify(gateway)}, () => process.exit())`;
    const inside = ["--target", pid, "--net"];
    const asTask = ["--setuid", "65532", "--setgid", "65532"];
    await promisify(execFile)("nsenter", [...inside, ...asTask, process.execPath, "-e", ask, "task"]).catch(() => undefined);
    execFileSync("nsenter", [...inside, process.execPath, "-e", ask, "engine"]);
    await eventually(
      () => questions,
      ({ length }) => length > 0,
      { withinMs: 10_000 },
    );
    expect(questions).toEqual(["engine"]);
  });

  test("starts only in a namespace that is closed", async () => {
    await expect(launch(["true"], { ...DOOR, deniedNetworks: [] })).rejects.toMatchObject({ reason: "DOOR_FAILED" });
    await expect(launch(["true"], { ...DOOR, deniedNetworks: ["300.0.0.0/8"] })).rejects.toMatchObject({ reason: "ENGINE_FAILED" });
    for (const user of ["0:0", "00:65534"]) {
      const root = create(user);
      await expect(launch(["true"], DOOR, root)).rejects.toMatchObject({ reason: "NETWORK_MODE_NOT_OFFERED" });
    }
    expect((await containersOf(nodeId)).filter(({ role }) => role === "task")).toEqual([]);
  });
});

test(
  "tasks that come at the same moment share one network, which goes with the agent and its last task",
  { timeout: 120_000 },
  async () => {
    await executor.close();
    const agent = create();
    await agent.start();
    const runs = await Promise.all([1, 2, 3].map(() => launch(["sleep", "60"], DOOR, agent)));
    const places = await Promise.all(runs.map(({ executionId }) => placeOf(executionId)));
    expect(new Set(places.map(({ gateway }) => gateway)).size).toBe(1);
    await agent.close();
    expect(await docker("network", "ls", "-q", "--filter", `name=${NETWORK}`)).not.toBe("");
    const next = create();
    await next.start();
    for (const { executionId } of runs) await next.remove(executionId);
    await next.close();
    expect(await docker("network", "ls", "-q", "--filter", `name=${NETWORK}`)).toBe("");
    expect(await containersOf(nodeId)).toEqual([]);
  },
);

async function listening(pid: string): Promise<boolean> {
  const table = readFileSync(`/proc/${pid}/net/tcp`, "utf8");
  return table.includes(":1F40 00000000:0000 0A");
}
