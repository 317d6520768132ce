import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCommands, loadNamed } from "./commands/index.ts";
import { runCommandLine } from "./main.ts";
import { createTestTerminal } from "./test-terminal.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "skrei-home-"));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

async function skrei(
  words: readonly string[],
  { env = {}, stdin = "" }: { env?: Record<string, string>; stdin?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = createTestTerminal({ env: { HOME: home, ...env }, stdin });
  const code = await runCommandLine(words, { terminal, signal: new AbortController().signal });
  return { code, ...terminal.written };
}

test("prints itself on one screen when called with nothing, and exits 0", async () => {
  const { code, stdout, stderr } = await skrei([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n").length).toBeLessThanOrEqual(24);
});

const commands = await loadCommands();

test("a command that is named by its path comes without the others, and any other word with all", async () => {
  for (const command of commands) expect(await loadNamed(["--server", "job", "-v", ...command.path.split(" "), "x"])).toEqual([command]);
  expect(await loadNamed(["help", "job", "get"])).toHaveLength(1);
  for (const words of [[], ["help"], ["job"], ["job", "ls"], ["jbo", "list"], ["--help", "job", "get"]])
    expect(await loadNamed(words)).toEqual(commands);
});

test.for(commands.map(({ path }) => path))("helps with %s: an example first, at most 80 columns, no network", async (path) => {
  const { code, stdout } = await skrei([...path.split(" "), "--help"], { env: { SKREI_SERVER: "http://127.0.0.1:1" } });
  expect(code).toBe(0);
  expect(stdout).toMatch(/\n {2}skrei /u);
  for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
});

test.for([
  [["jbo", "list"], 2, /no command "skrei jbo"/u, /Did you mean "skrei job"/u],
  [["job", "lst"], 2, /no command "skrei job lst"/u, /Did you mean "skrei job list"/u],
  [["job", "list", "--limt", "3"], 2, /Unknown option '--limt'/u, /Did you mean --limit/u],
  [["job", "list", "--limit", "many"], 2, /--limit: "many" is not a whole number from 1 to 100000/u, /FIELD_INVALID/u],
  [["job", "list", "-o", "xml"], 2, /--output: "xml" is none of table, wide, json, jsonl, yaml, name/u, /FIELD_INVALID/u],
  [["job", "list", "--json", "-o", "yaml", "--server", "http://127.0.0.1:1"], 2, /--json and --output yaml contradict/u, /fix: Give one/u],
  [["run", "--timeout", "90", "x"], 2, /--timeout: "90" is not a duration such as 90s, 10m, 1h30m or 7d/u, /FIELD_INVALID/u],
  [["ls"], 2, /no command "skrei ls"/u, /Did you mean "skrei job list"/u],
  [["ps"], 2, /no command "skrei ps"/u, /Did you mean "skrei job list"/u],
  [["drain"], 2, /no command "skrei drain"/u, /Did you mean "skrei node drain"/u],
  [["ui"], 2, /"skrei ui" is not offered by this version/u, /FEATURE_NOT_AVAILABLE/u],
  [["context", "use", "lab"], 2, /not offered by this version/u, /--server URL/u],
  [["run", "--gpu", "1", "x"], 2, /--gpu: GPUs are not offered/u, /fix: Leave --gpu out/u],
  [["run", "--network", "bridge", "x"], 2, /--network: Network type bridge is not offered/u, /Offered: None, HTTP and Full/u],
  [["run", "--network", "full", "--domain", "a.org", "x"], 2, /--domain goes with http/u, /fix: Leave out one/u],
  [["net", "explain", "a.org"], 2, /Nothing says whose list counts/u, /fix: Give --job JOB/u],
  [["net", "explain", "a.org", "--job", "j-01", "--domain", "a.org"], 2, /job and a list to try are both given/u, /--job JOB/u],
  [["run", "--download=a", "--get", "b", "x"], 2, /--download names a and --get b/u, /fix: Give one/u],
  [["data", "get", "../x"], 2, /neither a content id nor the name of kept data/u, /fix: .*skrei data ls/u],
  [["data", "get", "corpus/../x"], 2, /leads up/u, /Leave out the \.\. parts/u],
  [["data", "put", "x", "--name", "Corpus"], 2, /--name: "Corpus" is no name for data/u, /FIELD_INVALID/u],
  [["data", "put", "nowhere"], 2, /nowhere does not exist here/u, /fix: Give a path of this machine\.$/mu],
  [["data", "put", ".", "--ttl", "1h"], 2, /--ttl goes with --name/u, /--name NAME/u],
  [["data", "pin", "corpus"], 2, /pin has no name/u, /fix: Give one: --name/u],
  [["data", "pin", "corpus/x", "--name", "a"], 2, /Only a root can be pinned/u, /-i cid:/u],
  [["data", "rm", "corpus/x"], 2, /not a path below one/u, /content id alone/u],
  [["data", "ls", "corpus", "--kind", "pin"], 2, /--kind is for the list/u, /Leave it out/u],
  [["data", "lst"], 2, /no command "skrei data lst"/u, /Did you mean "skrei data ls/u],
  [["net", "list", "--watch", "-o", "yaml"], 2, /--watch prints lines/u, /-o jsonl/u],
  [["run", "-o", "json", "x"], 2, /--out: "json" is not an output/u, /fix: .*skrei job describe ID -o json/u],
  [["run", "-p", "s4://bucket/key", "x"], 2, /is not a publisher: cluster, ipfs, local:\/path or s3:\/\/bucket\/key/u, /FIELD_INVALID/u],
  [["run"], 2, /nothing to run/u, /skrei run -f job\.yaml/u],
  [["job", "describe"], 2, /Missing required argument 'job'/u, /--help/u],
  [["run", "--example", "wordcont"], 2, /no example "wordcont"; did you mean "wordcount"/u, /Examples: /u],
  [["run", "-f", "nowhere.yaml"], 2, /job file nowhere\.yaml cannot be read/u, /ENOENT/u],
  [["job", "list", "--server", "http://127.0.0.1:1"], 5, /No cluster answers at http:\/\/127\.0\.0\.1:1 .*--server/u, /fix: .*skrei dev/u],
  [["job", "list", "--server", "ftp://x:y@z"], 2, /not a http\(s\) URL without credentials/u, /token/u],
] as const)("refuses %j with %i, says what is wrong and what to do", async ([words, code, message, more]) => {
  const result = await skrei(words);
  expect(result.stdout).toBe("");
  expect(result.stderr).toMatch(/^error: /u);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).toMatch(more);
  expect(result.code).toBe(code);
});

test("takes an image that is a file for a mistake, and names the flag", async () => {
  const file = join(home, "job.yaml");
  await writeFile(file, "Type: batch\n");
  const { code, stderr } = await skrei(["run", file]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/is a file, not an image/u);
  expect(stderr).toMatch(/fix: skrei run -f /u);
});

test("checks a job file without a cluster, all problems in one go", async () => {
  const stdin = "Type: batch\nCuont: 2\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n    Env: {lower-case: x}\n";
  const { code, stderr } = await skrei(["job", "validate", "--offline"], { stdin });
  expect(code).toBe(2);
  expect(stderr).toMatch(/stdin:2:1 unknown field "Cuont".*did you mean "Count"/u);
  const ruled = await skrei(["job", "validate", "--offline"], { stdin: stdin.replace("Cuont: 2\n", "") });
  expect(ruled.stderr).toMatch(/stdin:4:\d+ /u);
});

test("says that a valid file is one although no cluster answers", async () => {
  const stdin = "Type: batch\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n";
  const { code, stderr } = await skrei(["job", "validate", "--server", "http://127.0.0.1:1"], { stdin });
  expect(code).toBe(0);
  expect(stderr).toMatch(/stdin is a valid job of 1 part/u);
  expect(stderr).toMatch(/no cluster answers/u);
});

test("passes everything after -- to the job untouched", async () => {
  const { code, stdout } = await skrei(["run", "busybox", "--dry-run", "--", "ls", "--color", "-q", "--", "x"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ task: { docker: { image: "busybox", parameters: ["ls", "--color", "-q", "--", "x"] } } });
});

test("takes what follows the image as the job's command, as docker does", async () => {
  const parametersOf = async (...words: readonly string[]): Promise<unknown> => {
    const { stdout } = await skrei(words);
    return (JSON.parse(stdout) as { task: { docker: { parameters: unknown } } }).task.docker.parameters;
  };
  expect(await parametersOf("run", "--dry-run", "busybox", "sh", "-c", "echo hi", "--count", "9")).toEqual([
    "sh",
    "-c",
    "echo hi",
    "--count",
    "9",
  ]);
  expect(await parametersOf("docker", "run", "-w", "/data", "busybox", "--dry-run", "ls", "-la")).toEqual(["ls", "-la"]);
});

test("says which flags of ours went to the task, unless -- tells that this is meant", async () => {
  const noted = async (...words: readonly string[]): Promise<string> => (await skrei(["run", "--dry-run", ...words])).stderr;
  expect(await noted("busybox", "wget", "--network", "a.org", "--domain=b.org", "--other")).toMatch(
    /^note: --network, --domain went to the task, .*stand before the image/u,
  );
  expect(await noted("busybox", "--", "wget", "--network", "a.org")).toBe("");
  expect(await noted("--network", "a.org", "busybox", "wget")).toBe("");
  expect(await noted("-q", "busybox", "wget", "--network", "a.org")).toBe("");
});

test("shows in the usage line where flags stand", async () => {
  expect((await skrei(["run", "--help"])).stdout).toMatch(/^Usage: skrei run \[flags\] \[IMAGE\] \[COMMAND…\]$/mu);
  expect((await skrei(["docker", "run", "--help"])).stdout).toMatch(/^Usage: skrei docker run \[flags\] IMAGE \[COMMAND…\]$/mu);
});

const PRIMES = fileURLToPath(new URL("../../examples/primes/job.yaml", import.meta.url));

test.for([
  ["job", "validate", "--offline", "-f", PRIMES],
  ["job", "run", "--dry-run", "-f", PRIMES],
  ["job", "run", "--dry-run", PRIMES],
])("takes a job file by flag or as an argument: %j", async (words) => {
  expect(await skrei(words)).toMatchObject({ code: 0 });
});

test("plans a file given with -f, and refuses two files", async () => {
  expect((await skrei(["job", "plan", "-f", PRIMES, "--server", "http://127.0.0.1:1"])).stderr).toMatch(/No cluster answers/u);
  expect(await skrei(["job", "plan", "-f", PRIMES, PRIMES])).toMatchObject({ code: 2 });
});

test.for([
  [["--domain", "*.example.com"], /found "\*\.example\.com"; allowed: \.example\.com/u],
  [["--domain", "https://a.org/x"], /without a scheme/u],
  [["--domain", "co.uk"], /public suffix "co\.uk"/u],
  [["--network", "10.0.0.0/8"], /single addresses/u],
  [["--domain", "foo"], /names with a dot/u],
] as const)("refuses the list %j before anything is submitted or shown", async ([words, message]) => {
  for (const more of [["--dry-run"], ["--server", "http://127.0.0.1:1"]]) {
    const { code, stdout, stderr } = await skrei(["run", ...words, ...more, "busybox"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  }
});

test("takes hosts of several --network, and refuses modes that contradict them", async () => {
  const { stdout } = await skrei(["run", "--network", "a.org", "--net", "b.org,c.org", "--dry-run", "busybox"]);
  expect(JSON.parse(stdout)).toMatchObject({ task: { network: { mode: "MODE_HTTP", domains: ["a.org", "b.org", "c.org"] } } });
  expect(await skrei(["run", "--network", "a.org", "--network", "full", "--dry-run", "busybox"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--network asks for http and for full/u) as string,
  });
});

test("puts flags over what a job file says", async () => {
  const words = ["--count", "8", "-e", "A=1", "--name", "mine", "--cpu", "2", "--memory", "1GB", "--label", "team=a", "--timeout", "10m"];
  const { code, stdout } = await skrei(["run", "--example", "primes", "--dry-run", ...words, "--attempts", "3", "-o", "kept:/kept"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    name: "mine",
    count: 8,
    labels: { team: "a" },
    retry: { maxAttempts: 3 },
    task: {
      name: "main",
      wasm: { entryModule: "/app/primes.wasm" },
      env: { A: "1" },
      outputs: [{ name: "kept", path: "/kept" }],
      resources: { cpuMillis: "2000", memoryBytes: "1000000000" },
      timeouts: { execution: "120s", total: "600s" },
    },
  });
});

test("takes no word after --download for its folder", async () => {
  for (const flag of ["--download", "--download=out"]) {
    const { code, stdout } = await skrei(["run", flag, "--dry-run", "busybox", "ls", "--download"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ task: { docker: { image: "busybox", parameters: ["ls", "--download"] } } });
  }
  expect((await skrei(["run", "--help"])).stdout).toContain("--download[=DIR]");
});

test("takes global flags before the command, and help as a command", async () => {
  expect((await skrei(["--server", "http://127.0.0.1:1", "job", "list"])).stderr).toMatch(
    /No cluster answers at http:\/\/127\.0\.0\.1:1 /u,
  );
  expect((await skrei(["job", "--server=http://127.0.0.1:1", "ls"])).stderr).toMatch(/No cluster answers at http:\/\/127\.0\.0\.1:1 /u);
  expect((await skrei(["help", "job", "list"])).stdout).toMatch(/^List jobs/u);
  expect((await skrei(["help"])).stdout).toBe((await skrei([])).stdout);
  expect(await skrei(["--version"])).toEqual(await skrei(["version"]));
});

test("looks at the folder of --get before it submits anything", async () => {
  await writeFile(join(home, "stdout"), "mine");
  const words = ["run", "busybox", "--get", home, "--server", "http://127.0.0.1:1"];
  const refused = await skrei(words);
  expect(refused.code).toBe(8);
  expect(refused.stderr).toMatch(/stdout exists already; nothing was written/u);
  for (const flag of ["--force", "--overwrite"]) expect((await skrei([...words.slice(0, 1), flag, ...words.slice(1)])).code).toBe(5);
});

test("finds inputs in one place before anything is uploaded for them", async () => {
  for (const name of ["a", "b"]) {
    await mkdir(join(home, name));
    await writeFile(join(home, name, "file"), name);
  }
  const words = ["run", "-i", join(home, "a"), "-i", join(home, "b"), "--server", "http://127.0.0.1:1", "busybox"];
  const { code, stderr } = await skrei(words);
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/task\.inputs\[1\]\.target/u) as string });
  const gone = await skrei(["run", "-i", join(home, "gone"), "busybox"]);
  expect(gone).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/gone does not exist here[^]*fix: Give a path of this machine/u) as string,
  });
});

test("points at the line of an upload that is not there", async () => {
  const input =
    "    InputSources:\n      - Target: /in\n        Source:\n          Type: upload\n          Params:\n            Path: ./gone\n";
  const stdin = `Type: batch\nTasks:\n  - Engine: {Type: docker, Params: {Image: busybox}}\n${input}`;
  for (const words of [
    ["job", "validate", "--offline"],
    ["job", "run", "--server", "http://127.0.0.1:1"],
  ]) {
    const { code, stderr } = await skrei(words, { stdin });
    expect(code).toBe(2);
    expect(stderr).toMatch(/stdin:9:13 Path: The input .*gone does not exist/u);
  }
});

test("prefers flag over environment over file over the context of skrei dev", async () => {
  const config = join(home, ".config", "skrei");
  await mkdir(join(config, "contexts"), { recursive: true });
  await writeFile(join(config, "contexts", "dev.json"), JSON.stringify({ server: "http://127.0.0.1:4", startedAtMs: 1 }));
  const asked = async (words: readonly string[], env: Record<string, string>): Promise<string> =>
    /answers at (\S+)/u.exec((await skrei(["job", "list", ...words], { env })).stderr)?.[1] ?? "";
  expect(await asked([], {})).toBe("http://127.0.0.1:4");
  await writeFile(join(config, "config.yaml"), "server: http://127.0.0.1:3\n");
  expect(await asked([], {})).toBe("http://127.0.0.1:3");
  expect(await asked([], { SKREI_SERVER: "127.0.0.1:2" })).toBe("http://127.0.0.1:2");
  expect(await asked(["--api-port", "6"], { SKREI_SERVER: "127.0.0.1:2" })).toBe("http://127.0.0.1:6");
  await writeFile(join(config, "config.yaml"), "sever: http://127.0.0.1:3\n");
  expect((await skrei(["job", "list"])).stderr).toMatch(/unknown key "sever"; did you mean "server"/u);
});

test("completes commands, flags and values", async () => {
  const complete = async (...words: readonly string[]): Promise<readonly string[]> =>
    (await skrei(["__complete", "--", ...words])).stdout.split("\n").flatMap((line) => line.split("\t")[0] || []);
  expect(await complete("jo")).toEqual(["job"]);
  expect(await complete("job", "exec")).toEqual(["executions"]);
  expect(await complete("job", "list", "--f")).toEqual(["--filter"]);
  expect(await complete("net", "")).toEqual(["list", "explain"]);
  expect(await complete("run", "--network", "")).toEqual(["none", "http", "full"]);
  expect(await complete("job", "list", "-o", "")).toEqual(["table", "wide", "json", "jsonl", "yaml", "name"]);
});
