import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type NetConnectOpts } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { eventually } from "../../test/kit/eventually.ts";
import { freePort } from "../../test/kit/free-port.ts";
import { makeLabCertificate } from "../../test/kit/lab-certificate.ts";
import { writePolicyFile } from "../../test/kit/policy-file.ts";
import { randomExecutionId } from "../../test/kit/random-execution-id.ts";
import { type Launched, launch, launchProgram } from "./launch.ts";
import type { OriginPorts, SinkSample } from "./network-origin.ts";

/** One way to the origin: a proxy, or none. */
export interface Route {
  readonly name: string;
  /** Undefined for the direct way. */
  readonly proxy: NetConnectOpts | undefined;
  /** Header lines for the proxy, with their line ends. */
  readonly credential: string;
  readonly process: Launched | undefined;
  /** False when each answer is the last of its connection. */
  readonly keepsConnections: boolean;
}

export interface Origin extends OriginPorts {
  /** What a client must trust. */
  readonly authority: string;
  sample(): Promise<SinkSample>;
}

export interface NetworkParts extends AsyncDisposable {
  readonly origin: Origin;
  readonly direct: Route;
  /** squid and tinyproxy. */
  readonly peers: readonly Route[];
  /** A new execution's way through the network-proxy. */
  openDoor(): Promise<Route>;
}

/** All benchmarks ask for this name: every proxy finds it in the hosts file. */
export const HOST = "localhost";
const CONNECTIONS_MAX = 8_000;

export interface NetworkPartsOptions {
  /** Of the network-proxy; 0 is no limit. */
  readonly rateBitsPerSecond: number;
  readonly withPeers: boolean;
}

/** The network-proxy, its peers from Debian without cache and log, and an origin, each in a process of its own, on loopback. */
export async function startNetworkParts({ rateBitsPerSecond, withPeers }: NetworkPartsOptions): Promise<NetworkParts> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const origin = await startOrigin(folder, stack);
  const openDoor = await startNetworkProxy({ folder, origin, rateBitsPerSecond }, stack);
  const peers = withPeers ? [await startSquid(folder, stack), await startTinyproxy(folder, stack)] : [];
  const direct: Route = { name: "direct", proxy: undefined, credential: "", process: undefined, keepsConnections: true };
  const owned = stack.move();
  console.log(`load average ${loadavg()[0]?.toFixed(1)} at the start`);
  return {
    origin,
    direct,
    peers,
    openDoor,
    [Symbol.asyncDispose]: async () => {
      await owned.disposeAsync();
      console.log(`load average ${loadavg()[0]?.toFixed(1)} at the end`);
    },
  };
}

async function startOrigin(folder: string, stack: AsyncDisposableStack): Promise<Origin> {
  const { authority, key, certificate } = await makeLabCertificate(folder, [HOST]);
  const { child } = stack.use(launch("bench/src/network-origin.ts", { ORIGIN_KEY: key, ORIGIN_CERTIFICATE: certificate }));
  const [ports] = (await once(child, "message")) as [OriginPorts];
  const sample = async (): Promise<SinkSample> => {
    const answered = once(child, "message");
    child.send("sample");
    const [answer] = (await answered) as [SinkSample];
    return answer;
  };
  return { ...ports, authority, sample };
}

interface ProxyOptions {
  readonly folder: string;
  readonly origin: OriginPorts;
  readonly rateBitsPerSecond: number;
}

/** As it is shipped: with its log, of one line for each request, written to nowhere. */
async function startNetworkProxy(
  { folder, origin, rateBitsPerSecond }: ProxyOptions,
  stack: AsyncDisposableStack,
): Promise<() => Promise<Route>> {
  const policyFile = join(folder, "policy.yaml");
  await writePolicyFile(policyFile, {
    modes: ["none", "http"],
    domains: [HOST],
    ports: [origin.port, origin.tlsPort],
    allowedNetworks: ["127.0.0.0/8", "::1/128"],
    connectionsMax: CONNECTIONS_MAX,
    rateBitsPerSecond,
  });
  const port = await freePort();
  const proxy = stack.use(
    launch("services/network-proxy/src/main.ts", {
      SKREI_NETWORK_PROXY_DATA_FOLDER: join(folder, "proxy"),
      SKREI_NETWORK_PROXY_POLICY_FILE: policyFile,
      SKREI_NETWORK_PROXY_LISTEN_PORT: String(port),
    }),
  );
  await untilListening({ port, host: "127.0.0.1" });
  const api = createClient(DoorService, createHttpTransport({ url: `http://127.0.0.1:${port}` }));
  return async () => {
    const executionId = randomExecutionId();
    const { socketPath, credential } = await api.openDoor({
      executionId,
      network: { mode: Network_Mode.HTTP, domains: [HOST] },
      owner: "n-bench",
    });
    const basic = `Proxy-Authorization: Basic ${Buffer.from(credential).toString("base64")}\r\n`;
    return { name: "skrei", proxy: { path: socketPath }, credential: basic, process: proxy, keepsConnections: true };
  };
}

async function startSquid(folder: string, stack: AsyncDisposableStack): Promise<Route> {
  const port = await freePort();
  const lines = [
    `http_port 127.0.0.1:${port}`,
    "http_access allow all",
    "cache deny all",
    ...["access_log", "cache_store_log", "pid_filename", "netdb_filename", "coredump_dir"].map((file) => `${file} none`),
    "cache_log /dev/null",
    "pinger_enable off",
    "client_db off",
    `max_filedescriptors ${2 * CONNECTIONS_MAX + 1_000}`,
    "shutdown_lifetime 0 seconds",
  ];
  await writeFile(join(folder, "squid.conf"), `${lines.join("\n")}\n`);
  const args = ["-N", "-f", join(folder, "squid.conf")];
  return await startPeer({ name: "squid", file: "/usr/sbin/squid", args, port, keepsConnections: true }, stack);
}

async function startTinyproxy(folder: string, stack: AsyncDisposableStack): Promise<Route> {
  const port = await freePort();
  const lines = [
    `Port ${port}`,
    "Listen 127.0.0.1",
    "Timeout 600",
    `MaxClients ${CONNECTIONS_MAX}`,
    "LogLevel Critical",
    "DisableViaHeader Yes",
  ];
  await writeFile(join(folder, "tinyproxy.conf"), `${lines.join("\n")}\n`);
  const args = ["-d", "-c", join(folder, "tinyproxy.conf")];
  return await startPeer({ name: "tinyproxy", file: "/usr/bin/tinyproxy", args, port, keepsConnections: false }, stack);
}

interface Peer {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly keepsConnections: boolean;
}

async function startPeer({ name, file, args, port, keepsConnections }: Peer, stack: AsyncDisposableStack): Promise<Route> {
  await install(name, file);
  const peer = stack.use(launchProgram(file, args));
  const proxy = { port, host: "127.0.0.1" };
  await untilListening(proxy);
  return { name, proxy, credential: "", process: peer, keepsConnections };
}

/** From Debian, when it is missing. */
async function install(name: string, file: string): Promise<void> {
  const run = promisify(execFile);
  const isThere = await run("test", ["-x", file]).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], { env });
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], { env });
}

async function untilListening(address: NetConnectOpts): Promise<void> {
  const isListening = async (): Promise<boolean> => {
    const socket = connect(address);
    const opened = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return opened;
  };
  await eventually(isListening, Boolean, { withinMs: 20_000 });
}
