import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { encodeQuery, signRequest } from "@skrei/s3/sign-v4.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { makeLabCertificate } from "./lab-certificate.ts";

const run = promisify(execFile);

/** A real S3 server (Ceph's RGW on a store in memory) on loopback. It has no buckets; whoever has the credentials makes them. */
export interface S3Server extends AsyncDisposable {
  /** Plain HTTP, path style. */
  readonly endpoint: string;
  /** The same over TLS, with a certificate of `authority`. */
  readonly tlsEndpoint: string;
  readonly authority: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** One signed request, for what the client under test does not do: making buckets, versions, listing uploads. Gives the answer. */
  request(method: string, bucket: string, query?: Readonly<Record<string, string>>, body?: string): Promise<string>;
  /** TCP connections of clients that the server holds open. */
  connections(): Promise<number>;
  /** The gateway dies as in a crash; what was stored stays. */
  kill(): Promise<void>;
  /** After `kill`: on the same ports. */
  startAgain(): Promise<void>;
}

/**
 * Needs Debian's ceph-mon, ceph-osd and radosgw (`npm run setup:test`). Three processes in one folder, up in about four seconds; they
 * are stopped by their own pids. Takes as much memory as is stored, up to 16 GiB; what is replaced or deleted is freed in seconds.
 */
export async function startS3Server(): Promise<S3Server> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-s3-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const ports: Ports = { monitor: await freePort(), http: await freePort(), https: await freePort() };
  const { authority, key, certificate } = await makeLabCertificate(folder, ["127.0.0.1", "localhost"]);
  await writeFile(join(folder, "gateway.pem"), `${key}${certificate}`);
  const ceph = await makeCluster(folder, ports);
  cleanup.use(await startProcess(ceph, "ceph-mon", ["-i", "a"]));
  await makeObjectStore(ceph);
  cleanup.use(await startProcess(ceph, "ceph-osd", ["-i", "0"]));
  let gateway: AsyncDisposable = await startGateway(ceph, ports);
  cleanup.defer(() => gateway[Symbol.asyncDispose]());
  const credentials = { accessKeyId: "SKREI", secretAccessKey: randomUUID() };
  const keys = ["--access-key", credentials.accessKeyId, "--secret-key", credentials.secretAccessKey];
  await ceph.run("radosgw-admin", ["user", "create", "--uid", "tests", "--display-name", "tests", "--max-buckets", "0", ...keys]);
  const rest = cleanup.move();
  const host = `127.0.0.1:${ports.http}`;
  return {
    endpoint: `http://${host}`,
    tlsEndpoint: `https://127.0.0.1:${ports.https}`,
    authority,
    credentials,
    request: async (method, bucket, query = {}, body = "") => {
      const unsigned = {
        method,
        path: `/${bucket}`,
        query,
        headers: { host },
        payloadHash: createHash("sha256").update(body).digest("hex"),
      };
      const headers = signRequest(unsigned, { credentials, region: "us-east-1", nowMs: Date.now() });
      const asked = httpRequest({
        host: "127.0.0.1",
        port: ports.http,
        method,
        path: `/${bucket}?${encodeQuery(query)}`,
        headers,
        agent: false,
      });
      asked.end(body);
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      const answerText = await text(answer);
      if (Math.trunc((answer.statusCode ?? 0) / 100) !== 2) throw new Error(`${method} ${bucket}: ${answer.statusCode} ${answerText}`);
      return answerText;
    },
    connections: () => establishedConnections([ports.http, ports.https]),
    kill: async () => await gateway[Symbol.asyncDispose](),
    startAgain: async () => {
      gateway = await startGateway(ceph, ports);
    },
    [Symbol.asyncDispose]: async () => await rest.disposeAsync(),
  };
}

interface Ports {
  readonly monitor: number;
  readonly http: number;
  readonly https: number;
}

interface Cluster {
  readonly folder: string;
  run(command: string, args: readonly string[]): Promise<string>;
}

/** Settings, keys and the monitor's empty store. */
async function makeCluster(folder: string, ports: Ports): Promise<Cluster> {
  const at = (name: string): string => join(folder, name);
  const config = at("ceph.conf");
  const fsid = randomUUID();
  await Promise.all(["mon", "osd", "rgw"].map((name) => mkdir(at(name))));
  await writeFile(config, settings(folder, fsid, ports));
  const ceph: Cluster = {
    folder,
    run: async (command, args) => (await run(command, ["-c", config, ...args], { timeout: 30_000 })).stdout,
  };
  const keyring = at("keyring");
  await run("ceph-authtool", ["--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]);
  for (const name of ["client.admin", "client.rgw", "osd.0"])
    await run("ceph-authtool", [keyring, "--gen-key", "-n", name, "--cap", "mon", "allow *", "--cap", "osd", "allow *"]);
  await run("monmaptool", ["--create", "--addv", "a", `[v2:127.0.0.1:${ports.monitor}]`, "--fsid", fsid, at("monmap")]);
  await ceph.run("ceph-mon", ["--mkfs", "-i", "a", "--monmap", at("monmap"), "--keyring", keyring]);
  return ceph;
}

async function makeObjectStore(ceph: Cluster): Promise<void> {
  const uuid = randomUUID();
  await ceph.run("ceph", ["osd", "new", uuid, "0"]);
  await ceph.run("ceph-osd", ["-i", "0", "--mkfs", "--osd-uuid", uuid]);
}

async function startGateway(ceph: Cluster, ports: Ports): Promise<AsyncDisposable> {
  const gateway = await startProcess(ceph, "radosgw", ["-n", "client.rgw"]);
  try {
    await eventually(() => isListening(ports.http), Boolean, { withinMs: 40_000, everyMs: 50 });
    return gateway;
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}

async function startProcess({ folder }: Cluster, command: string, args: readonly string[]): Promise<AsyncDisposable> {
  const child = spawn(command, ["-c", join(folder, "ceph.conf"), "-f", ...args], { stdio: "ignore" });
  await once(child, "spawn");
  return { [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // Refused until the gateway listens.
  } finally {
    socket.destroy();
  }
}

/** Counted where the server's end is, in the kernel's table of sockets. */
async function establishedConnections(ports: readonly number[]): Promise<number> {
  const ends = ports.map((port) => `:${port.toString(16).toUpperCase().padStart(4, "0")}`);
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n");
  return lines.filter((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/u);
    return state === "01" && ends.some((end) => local.endsWith(end));
  }).length;
}

/** Without the short paxos intervals each step of the start waits for seconds: 12 s in place of 4. */
function settings(folder: string, fsid: string, ports: Ports): string {
  return `
[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${ports.monitor}/0]
mon initial members = a
public network = 127.0.0.0/8
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${folder}/keyring
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
mon allow pool size one = true
mon max pg per osd = 1000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 17179869184
mon data = ${folder}/mon
osd data = ${folder}/osd
run dir = ${folder}
crash dir = ${folder}
log file = ${folder}/$name.log
mon cluster log file = ${folder}/cluster.log
admin socket = ${folder}/$name.asok
[client.rgw]
rgw data = ${folder}/rgw
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw gc processor max time = 2
rgw frontends = beast endpoint=127.0.0.1:${ports.http} ssl_endpoint=127.0.0.1:${ports.https} ssl_certificate=${folder}/gateway.pem
`;
}
