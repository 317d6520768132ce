import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newExecutionId, newJobId, newNodeId, type ExecutionId } from "@skrei/domain";
import { createDockerExecutor } from "@skrei/compute-agent/docker-executor";
import type { Clock, Door, Executor, RunSpec } from "@skrei/compute-agent/ports";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CollectedOutput } from "../kit/collected-output.ts";
import { DOCKER_HOST } from "../kit/docker-host.ts";
import { containersOf } from "../kit/docker-leftovers.ts";
import { eventually } from "../kit/eventually.ts";

const MIB = 1024 * 1024;
const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };
const nodeId = newNodeId(ids);
const secret = randomBytes(16).toString("hex");
const folder = mkdtempSync(join(tmpdir(), "docker-door-"));
const doorsFolder = join(folder, "doors");
const slotsFolder = join(folder, "slots");
const GET = "wget -q -O - -Y off http://127.0.0.1:3128";

let executor: Executor;

function create(): Executor {
  const user = "65532:65532";
  return createDockerExecutor({ host: DOCKER_HOST, nodeId, secret, user, holdersIdleMax: 1, slotsFolder, pullTimeoutMs: 30_000, clock });
}

beforeAll(async () => {
  await mkdir(doorsFolder, { mode: 0o755 });
  executor = create();
  await executor.start();
}, 60_000);
afterAll(async () => {
  await executor.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Stands for the network-proxy: answers every request with the door's name. */
async function openDoor(executionId: ExecutionId): Promise<{ door: Door; connections: () => number; closed: () => Promise<unknown> }> {
  let connections = 0;
  const socketPath = join(doorsFolder, `${executionId}.sock`);
  const server = createServer((request, response) => {
    if (request.url === "/slow") response.write("begun\n");
    else response.end(executionId);
  });
  server.on("connection", () => (connections += 1));
  await once(server.listen(socketPath), "listening");
  chmodSync(socketPath, 0o666);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const door: Door = { mode: "http", env: {}, socketPath, credential: "", deniedNetworks: [] };
  const open = async (): Promise<number> =>
    await new Promise((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))));
  return { door, connections: () => connections, closed: () => eventually(open, (count) => count === 0, { withinMs: 10_000 }) };
}

function specOf(executionId: ExecutionId, door: Door, script: string): RunSpec {
  return {
    executionId,
    jobId: newJobId(ids),
    epoch: 1,
    engine: { name: "docker", image: "busybox", entrypoint: [], parameters: ["sh", "-c", script], workingDirectory: "" },
    env: {},
    mounts: [],
    limits: { cpuMillis: 1_000, memoryBytes: 128 * MIB, diskBytes: 64 * MIB, timeoutMs: 0 },
    door,
    scratchFolder: folder,
  };
}

const within = (): AbortSignal => AbortSignal.timeout(60_000);

async function launch(spec: RunSpec): Promise<CollectedOutput> {
  const output = new CollectedOutput();
  await executor.prepare(spec, within());
  await executor.launch(spec, output, within());
  return output;
}

async function run(script: string, door?: Door): Promise<{ stdout: string; executionId: ExecutionId }> {
  const executionId = newExecutionId(ids);
  const spec = specOf(executionId, door ?? (await openDoor(executionId)).door, script);
  try {
    const output = await launch(spec);
    await executor.wait(executionId, within());
    return { stdout: output.stdout, executionId };
  } finally {
    await executor.remove(executionId);
  }
}

/** Takes connections and reads nothing. */
async function openSilentDoor(executionId: ExecutionId): Promise<string> {
  const path = join(doorsFolder, `silent-${executionId}.sock`);
  const sockets: Socket[] = [];
  const server = createTcpServer({ pauseOnConnect: true }, (socket) => sockets.push(socket.on("error", () => undefined)));
  await once(server.listen({ path, backlog: 1_024 }), "listening");
  chmodSync(path, 0o666);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

/** Over as many connections as a holder serves, until nothing is taken any more. */
const SEND_TO_ALL = `
import socket, time
connections = [socket.create_connection(("127.0.0.1", 3128), 10) for _ in range(512)]
for connection in connections:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    connection.setblocking(False)
reset = set()
for turn in range(8):
    for index, connection in enumerate(connections):
        try:
            while connection.send(b"x" * 16384): pass
        except BlockingIOError:
            pass
        except OSError:
            reset.add(index)
    time.sleep(0.2)
print(len(connections), "open, and", len(reset), "reset")`;

describe("a task in mode http", { timeout: 90_000 }, () => {
  test("reaches its own door at 127.0.0.1:3128", async () => {
    const { stdout, executionId } = await run(`${GET}/`);
    expect(stdout).toBe(executionId);
  });

  test("keeps its door whatever it sends that the door does not take", async () => {
    const executionId = newExecutionId(ids);
    const { door } = await openDoor(executionId);
    const spec = specOf(executionId, { ...door, socketPath: await openSilentDoor(executionId) }, "");
    const engine = { ...spec.engine, image: "skrei-clients:1", parameters: ["python3", "-c", SEND_TO_ALL] };
    try {
      const output = await launch({ ...spec, engine });
      await executor.wait(executionId, within());
      expect(output.stdout + output.stderr).toBe("512 open, and 0 reset\n");
    } finally {
      await executor.remove(executionId);
    }
  });

  test("has loopback, and neither another interface nor a route nor IPv6 nor a file of the door", async () => {
    const { stdout } = await run(
      "ls /sys/class/net; wc -l < /proc/net/route; cut -c 1-32 /proc/net/if_inet6; ls -d /doors /slot 2>/dev/null",
    );
    expect(stdout.replace("0".repeat(31) + "1\n", "")).toBe("lo\n1\n");
  });

  test("reaches no address of the host, no gateway, no metadata and no outside", async () => {
    let reached = 0;
    const canary = createTcpServer(() => (reached += 1));
    await once(canary.listen(0, "::"), "listening");
    onTestFinished(() => void canary.close());
    const { port } = canary.address() as AddressInfo;
    const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter(({ internal }) => !internal));
    const hosts = [...addresses.map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address)), "169.254.169.254"];
    const probes = hosts.map((host) => `wget -q -Y off -O - http://${host}:${String(port)}/ 2>&1`).join("; ");
    const { stdout } = await run(`${probes}; true`);
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(hosts.length);
    for (const line of lines) expect(line).toMatch(/unreachable|bad address|cannot assign|invalid argument/iu);
    expect(reached).toBe(0);
  });

  test("resolves no name, waits for none, and is told of no resolver", async () => {
    const { stdout } = await run("cat /etc/resolv.conf; nslookup -timeout=2 example.com >/tmp/answer 2>&1 || echo none; cat /etc/hosts");
    expect(stdout).toContain("none\n");
    expect(stdout.split("\n").filter((line) => /^(nameserver|search|domain)/u.test(line))).toEqual(["nameserver 127.0.0.1"]);
    expect(stdout).not.toMatch(/host\.docker\.internal|10\.|172\.|192\.168\./u);
  });

  test("cannot reach the door of another task, beside it or before it in the same holder", async () => {
    const other = newExecutionId(ids);
    const { door, connections } = await openDoor(other);
    const output = await launch(specOf(other, door, `${GET}/; while :; do sleep 0.1; done`));
    await eventually(
      () => output.stdout,
      (stdout) => stdout === other,
      { withinMs: 30_000 },
    );
    const before = connections();
    expect((await run(`${GET}/; ${GET}/`)).stdout).not.toContain(other);
    await executor.stop(other, 100);
    await executor.wait(other, within());
    await executor.remove(other);
    const next = await run(`${GET}/; ${GET}/`);
    expect(next.stdout).toBe(next.executionId.repeat(2));
    expect(connections()).toBe(before);
  });

  test("leaves no connection behind in its holder", async () => {
    const executionId = newExecutionId(ids);
    const { door, closed, connections } = await openDoor(executionId);
    const output = await launch(specOf(executionId, door, `wget -q -O - -Y off http://127.0.0.1:3128/slow`));
    await eventually(
      () => output.stdout,
      (stdout) => stdout.includes("begun"),
      { withinMs: 30_000 },
    );
    await executor.remove(executionId);
    expect(connections()).toBe(1);
    await closed();
    const next = await run(`${GET}/`);
    expect(next.stdout).toBe(next.executionId);
  });

  test("keeps its door when the agent restarts, and its holder serves on", async () => {
    const executionId = newExecutionId(ids);
    const { door } = await openDoor(executionId);
    const spec = specOf(executionId, door, `until [ -e /tmp/x ]; do ${GET}/; echo; sleep 0.2; done`);
    const output = await launch(spec);
    await executor.close();
    executor = create();
    await executor.start();
    expect(await executor.adopt(spec, output, within())).toBe(true);
    const seen = output.stdout.length;
    await eventually(
      () => output.stdout.slice(seen),
      (more) => more.includes(`${executionId}\n${executionId}\n`),
      { withinMs: 30_000 },
    );
    await executor.remove(executionId);
    expect(
      await eventually(
        async () => (await containersOf(nodeId)).filter(({ role }) => role === "task"),
        (tasks) => tasks.length === 0,
        { withinMs: 10_000 },
      ),
    ).toEqual([]);
  });

  test("gets another holder when the engine has lost its own", async () => {
    const executionId = newExecutionId(ids);
    const { door } = await openDoor(executionId);
    const spec = specOf(executionId, door, `${GET}/`);
    await executor.prepare(spec, within());
    for (const { id, role } of await containersOf(nodeId)) if (role === "holder") await kill(id);
    const output = new CollectedOutput();
    await executor.launch(spec, output, within());
    await executor.wait(executionId, within());
    await executor.remove(executionId);
    expect(output.stdout).toBe(executionId);
  });

  test("is refused when the proxy's folder is gone, and leaves nothing", async () => {
    const before = readdirSync(slotsFolder).length;
    const door: Door = { mode: "http", env: {}, socketPath: join(folder, "none", "x.sock"), credential: "", deniedNetworks: [] };
    await expect(run("true", door)).rejects.toMatchObject({ kind: "unavailable", reason: "ENGINE_FAILED" });
    expect(readdirSync(slotsFolder).length).toBeLessThanOrEqual(before);
  });
});

test("nothing is left of a node that stops, and nothing of one that died is kept by the next", { timeout: 90_000 }, async () => {
  await run(`${GET}/`);
  // A second executor stands for the agent after a crash: the first one's idle holders are nobody's.
  const next = create();
  await next.start();
  await next.close();
  await executor.close();
  expect(await containersOf(nodeId)).toEqual([]);
  expect(readdirSync(slotsFolder)).toEqual([]);
});

async function kill(containerId: string): Promise<void> {
  await once(execFile("docker", ["--host", DOCKER_HOST, "kill", containerId]), "exit");
}
