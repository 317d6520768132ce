import { join } from "node:path";
import { expect, test } from "vitest";
import { expectInvariants } from "../kit/invariants.ts";
import { aNetworkJob, useLabCluster } from "../kit/lab-cluster.ts";
import { writeAptRepository, writeGitRepository } from "../kit/lab-files.ts";
import { ORIGIN_ADDRESS, OTHER_ORIGIN_ADDRESS } from "../kit/lab.ts";

const under = useLabCluster({
  policy: { modes: ["none", "http"], domains: [".example.com", "denied.example.org"] },
  prepare: async (lab) => {
    await lab.setZone({ "allowed.example.com": [{ a: [ORIGIN_ADDRESS] }], "denied.example.org": [{ a: [OTHER_ORIGIN_ADDRESS] }] });
    await writeGitRepository(join(lab.filesFolder, "repository.git"), "hello from git\n");
    await writeAptRepository(join(lab.filesFolder, "apt"), "lab-package");
  },
});

/** Runs a script with the list `allowed.example.com`; what is said on stdout and stderr comes back in one. */
async function output(script: string, image = "skrei-clients:1"): Promise<string> {
  const { cluster, lab } = under();
  const jobId = await cluster.submit(
    aNetworkJob(`{ ${script}\n} 2>&1`, { image, domains: ["allowed.example.com"], authority: lab.authority }),
  );
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  const { stdout } = await cluster.runCli(["job", "logs", jobId]);
  return stdout;
}

/** The refused name gets neither a question nor a byte. */
async function expectNothingDenied(): Promise<void> {
  const { canaries, connections, queries } = await under().lab.takeSightings();
  expect(canaries).toEqual([]);
  expect(connections.filter(({ address }) => address === OTHER_ORIGIN_ADDRESS)).toEqual([]);
  expect(Object.keys(queries)).not.toContain("denied.example.org");
}

const WHY = "EGRESS_HOST_NOT_ON_JOB_LIST";

test("curl reaches what is on the list, and shows why it does not reach the rest", async () => {
  const said = await output(`
    timeout 10 curl -sS http://allowed.example.com/plain
    timeout 10 curl -sS https://allowed.example.com/secure
    timeout 10 curl -sS -i http://denied.example.org/plain
    timeout 10 curl -sS -i https://denied.example.org/secure; echo "exit $?"`);
  expect(said).toContain("hello from allowed.example.com/plain\n");
  expect(said).toContain("hello from allowed.example.com/secure\n");
  expect(said).toMatch(/HTTP\/1.1 403[\s\S]*x-skrei-reason: EGRESS_HOST_NOT_ON_JOB_LIST[\s\S]*denied\.example\.org/iu);
  expect(said).toContain("exit 56\n"); // CURLE_RECV_ERROR: the proxy refused the tunnel.
  expect(said.split(WHY).length - 1).toBeGreaterThanOrEqual(2);
  await expectNothingDenied();
});

test("wget reaches what is on the list, and shows why it does not reach the rest", async () => {
  const said = await output(`
    w() { timeout 10 wget --tries=1 -q --content-on-error --ca-certificate=$SSL_CERT_FILE -O- "$@"; echo "exit $?"; }
    w http://allowed.example.com/plain
    w https://allowed.example.com/secure
    w http://denied.example.org/plain
    w https://denied.example.org/secure`);
  expect(said).toContain("hello from allowed.example.com/plain\nexit 0\n");
  expect(said).toContain("hello from allowed.example.com/secure\nexit 0\n");
  expect(said).toMatch(/denied\.example\.org[\s\S]*exit 8\n/u);
  expect(said).not.toContain("exit 124");
  await expectNothingDenied();
});

test("git clones from what is on the list, and says 403 for the rest", async () => {
  const said = await output(`
    cd /tmp
    timeout 20 git clone -q http://allowed.example.com/files/repository.git plain && cat plain/README
    timeout 20 git clone -q https://allowed.example.com/files/repository.git secure && cat secure/README
    timeout 20 git clone -q http://denied.example.org/files/repository.git no-plain; echo "exit $?"
    timeout 20 git clone -q https://denied.example.org/files/repository.git no-secure; echo "exit $?"`);
  expect(said.split("hello from git\n")).toHaveLength(3);
  expect(said).toMatch(/error: 403[\s\S]*exit 128\n[\s\S]*403[\s\S]*exit 128\n$/u);
  await expectNothingDenied();
});

test("Python's urllib reaches what is on the list, and reads why it does not reach the rest", async () => {
  const said = await output(`timeout 30 python3 -c '
import urllib.request, urllib.error
for url in ["http://allowed.example.com/plain", "https://allowed.example.com/secure", "http://denied.example.org/", "https://denied.example.org/"]:
    try:
        print(urllib.request.urlopen(url, timeout=5).read().decode().strip())
    except urllib.error.HTTPError as error:
        print(error.code, error.headers["X-Skrei-Reason"], error.read().decode())
    except urllib.error.URLError as error:
        print(error.reason)'`);
  expect(said).toContain("hello from allowed.example.com/plain\nhello from allowed.example.com/secure\n");
  expect(said).toContain(`403 ${WHY}`);
  expect(said).toContain("Tunnel connection failed: 403");
  await expectNothingDenied();
});

/** What Node's fetch says, and what its http and https modules say, of each URL. */
const NODE_PROGRAM = `
const why = (error) => [error.message, ...(error.cause ? [why(error.cause)] : [])].join(": ");
const ask = (url) => new Promise((resolve) => {
  const request = require(url.split(":")[0]).get(url, async (response) => {
    const body = (await response.toArray()).join("").trim();
    resolve([response.statusCode, response.headers["x-skrei-reason"] ?? "", body].join(" "));
  });
  request.setTimeout(5000, () => request.destroy(new Error("too slow"))).on("error", (error) => resolve(why(error)));
});
const fetched = (url) => fetch(url, { signal: AbortSignal.timeout(5000) }).then((response) => response.text(), why);
(async () => {
  for (const host of ["allowed.example.com", "denied.example.org"])
    for (const scheme of ["http", "https"]) {
      const url = scheme + "://" + host + "/" + scheme;
      console.log(host, scheme, "module", await ask(url));
      console.log(host, scheme, "fetch", (await fetched(url)).trim());
    }
})()`;

test("Node's fetch and its http modules reach what is on the list, and say 403 for the rest", async () => {
  const said = await output(`timeout 30 node -e '${NODE_PROGRAM}'`, "node:24-slim");
  for (const scheme of ["http", "https"]) {
    expect(said).toContain(`allowed.example.com ${scheme} module 200  hello from allowed.example.com/${scheme}\n`);
    // It tunnels plain http as well.
    expect(said).toContain(`allowed.example.com ${scheme} fetch hello from allowed.example.com/${scheme}\n`);
  }
  expect(said).toContain(`denied.example.org http module 403 ${WHY} `);
  for (const way of ["http fetch", "https fetch", "https module"])
    expect(said).toMatch(new RegExp(`denied\\.example\\.org ${way} .*403`, "u"));
  await expectNothingDenied();
});

test("apt reads the lists of a repository that is on the list, and says 403 for another", async () => {
  const said = await output(`
    cd /tmp
    update() {
      rm -rf apt; mkdir -p apt/state/lists/partial apt/cache/archives/partial; touch apt/status
      echo "deb [trusted=yes] $1 ./" > apt/sources.list
      timeout 20 apt-get -o Dir::State=/tmp/apt/state -o Dir::State::status=/tmp/apt/status -o Dir::Cache=/tmp/apt/cache \\
        -o Dir::Etc::SourceList=/tmp/apt/sources.list -o Dir::Etc::SourceParts=/dev/null -o Acquire::https::CaInfo=$SSL_CERT_FILE \\
        -o Acquire::Retries=0 -o APT::Update::Error-Mode=any update
      echo "exit $? $(grep -h ^Package: apt/state/lists/*Packages)"
    }
    update http://allowed.example.com/files/apt
    update https://allowed.example.com/files/apt
    update http://denied.example.org/files/apt
    update https://denied.example.org/files/apt`);
  expect(said.split("exit 0 Package: lab-package\n")).toHaveLength(3);
  expect([...said.matchAll(/exit 100 \n/gu)]).toHaveLength(2);
  expect(said).toContain("403");
  await expectNothingDenied();
});

test("a redirect out of the list ends at the door", async () => {
  const said = await output(`
    timeout 10 curl -sS -L -o /dev/null -w '%{http_code} %{url_effective}\\n' 'http://allowed.example.com/redirect?to=http://denied.example.org/'
    timeout 10 curl -sS -L -o /dev/null -w '%{http_code} %{url_effective}\\n' 'http://allowed.example.com/redirect?to=http://169.254.169.254/latest'`);
  expect(said).toBe("403 http://denied.example.org/\n403 http://169.254.169.254/latest\n");
  await expectNothingDenied();
});

test("what was asked and refused is told with the execution and as events of the job", async () => {
  const { cluster, lab } = under();
  const script = "for n in 1 2 3; do curl -s http://denied.example.org/; done; curl -s http://allowed.example.com/bytes?count=1000";
  const jobId = await cluster.submit(aNetworkJob(script, { domains: ["allowed.example.com"], authority: lab.authority }));
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  const [execution] = await cluster.executions(jobId);
  expect(execution?.networkUse).toMatchObject({ requests: 1, denied: 3 });
  expect(execution?.networkUse?.hosts).toMatchObject([
    { host: "denied.example.org", requests: 0, denied: 3, reason: WHY },
    { host: "allowed.example.com", requests: 1, denied: 0, rule: "allowed.example.com" },
  ]);
  const events = (await cluster.events(jobId)).filter(({ reason }) => reason === WHY);
  expect(events).toHaveLength(2);
  expect(events[0]?.message).toContain("denied.example.org");
  expect(events[1]?.message).toContain("3");
});

test("when the proxy is killed in the middle of a transfer the transfer is cut, and the job's next request works, counted on", async () => {
  const { cluster, lab } = under();
  const script = `
    curl -sS --max-time 60 -o /dev/null http://allowed.example.com/endless; echo "first $?"
    until curl -sS http://allowed.example.com/again; do sleep 0.1; done
    curl -sS -o /dev/null -w '%{http_code}\\n' http://denied.example.org/`;
  const jobId = await cluster.submit(aNetworkJob(script, { domains: ["allowed.example.com"], authority: lab.authority }));
  const used = async (): Promise<number> => (await cluster.executions(jobId)).at(-1)?.networkUse?.receivedBytes ?? 0;
  await expect.poll(used, { timeout: 30_000 }).toBeGreaterThan(100_000);
  const before = await used();
  await cluster.proxy.restart();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect((await cluster.runCli(["job", "logs", jobId])).stdout).toMatch(
    /^first [1-9]\d*\nhello from allowed\.example\.com\/again\n403\n$/u,
  );
  const { networkUse } = (await cluster.executions(jobId))[0] ?? {};
  expect(networkUse).toMatchObject({ requests: 2, denied: 1 });
  expect(networkUse?.receivedBytes).toBeGreaterThanOrEqual(before);
  await expectNothingDenied();
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(under().cluster);
});
