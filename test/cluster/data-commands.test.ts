import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";
import { eventually } from "../kit/eventually.ts";

let embedded: Embedded;
let cid = "";

beforeAll(async () => {
  embedded = await startEmbedded(["--nodes", "1"]);
  const corpus = join(embedded.folder, "corpus");
  await mkdir(join(corpus, "deep"), { recursive: true });
  await writeFile(join(corpus, "deep", "big"), randomBytes(3_500_000));
  await writeFile(join(corpus, "words.txt"), "one two three\n");
  await writeFile(join(corpus, "evil\u001B[31m\nname"), "x");
}, 120_000);
afterAll(async () => {
  await embedded[Symbol.asyncDispose]();
}, 60_000);

async function data(...args: string[]): ReturnType<Embedded["runCli"]> {
  return await embedded.runCli(["data", ...args]);
}

test("what is put is there; put again, nothing is sent", async () => {
  const first = await data("put", "./corpus", "-o", "json");
  expect(first).toMatchObject({ code: 0 });
  const put = JSON.parse(first.stdout) as { cid: string; sentBytes: number };
  expect(put).toMatchObject({ files: 3, sizeBytes: 3_500_015 });
  expect(put.sentBytes).toBeGreaterThan(1_000_000);
  cid = put.cid;
  const again = await data("put", "./corpus");
  expect(again).toMatchObject({ code: 0, stdout: `${cid}\n` });
  expect(again.stderr).toMatch(/all there already, nothing sent/u);
  expect(again.stderr).toContain(`-i cid:${cid}:/in`);
  expect(again.stderr).toMatch(/ends in (?:7d|6d)/u);
});

test("a job reads it, and both are listed", async () => {
  const job = await embedded.runCli([
    "run",
    "-q",
    "-i",
    `cid:${cid}:/in`,
    "busybox",
    "--",
    "sh",
    "-c",
    "cat /in/words.txt; wc -c < /in/deep/big",
  ]);
  expect(job).toEqual({ code: 0, stdout: "one two three\n3500000\n", stderr: "" });
  const listed = JSON.parse((await data("ls", "-o", "json")).stdout) as { cid: string; kind: string }[];
  expect(listed).toContainEqual(expect.objectContaining({ cid, kind: "KIND_UPLOAD" }));
  expect(listed).toContainEqual(expect.objectContaining({ kind: "KIND_RESULT", jobId: expect.stringMatching(/^j-/u) }));
  const { stdout } = await data("ls", "--kind", "upload");
  expect(stdout).toMatch(new RegExp(`^KIND +NAME.*\\nupload +- +${cid} +3\\.5MB`, "u"));
});

test("its folders are listed from verified blocks, with names that are no danger to a terminal", async () => {
  const { stdout, stderr } = await data("ls", cid);
  expect(stdout.split("\n").map((line) => line.trim().split(/ {2,}/u))).toEqual([
    ["KIND", "SIZE", "NAME"],
    ["folder", expect.stringMatching(/MB$/u), "deep/"],
    ["file", "1B", "evil name"],
    ["file", "14B", "words.txt"],
    [""],
  ]);
  expect(stderr).toBe("3 items\n");
  expect(JSON.parse((await data("ls", `${cid}/deep`, "-o", "json")).stdout)).toEqual([
    { name: "big", kind: "file", sizeBytes: 3_500_000, cid: expect.stringMatching(/^bafy/u) },
  ]);
  expect(await data("ls", `${cid}/nowhere`)).toMatchObject({ code: 3, stderr: expect.stringContaining("There is no nowhere in") });
});

test("a name keeps it, and stands for it; a name of other data is refused", async () => {
  const { code, stdout, stderr } = await data("pin", cid, "--name", "corpus-1", "--ttl", "30d");
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${cid}\n` });
  expect(stderr).toMatch(/corpus-1: 3\.5MB, ends in (?:29d23h|30d)/u);
  expect((await data("ls", "corpus-1/deep", "-q")).stdout).toBe("big\n");
  await writeFile(join(embedded.folder, "other"), "other");
  const other = await data("put", "./other", "--name", "corpus-1");
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining(`stands for ${cid}`) });
  expect((await data("stat", "corpus-1")).stdout).toMatch(/kept as pin +corpus-1, ends in/u);
  expect((await embedded.runCli(["__complete", "--", "data", "get", "corp"])).stdout).toMatch(/^corpus-1\tbafy/u);
});

test("it is read into a fresh folder, or a part of it, by name and by content id, every byte verified", async () => {
  expect(await data("get", "corpus-1", "--to", "fresh")).toMatchObject({ code: 0, stdout: "fresh\n" });
  expect(await readFile(join(embedded.folder, "fresh", "words.txt"), "utf8")).toBe("one two three\n");
  expect((await readFile(join(embedded.folder, "fresh", "deep", "big"))).length).toBe(3_500_000);
  const again = JSON.parse((await data("get", cid, "--to", "fresh", "-o", "json")).stdout) as object;
  expect(again).toMatchObject({ files: 3, keptFiles: 3, keptBytes: 3_500_015 });
  expect(await data("get", `${cid}/words.txt`)).toMatchObject({ code: 0, stdout: "./words.txt\n" });
  expect(await readFile(join(embedded.folder, "words.txt"), "utf8")).toBe("one two three\n");
  expect(await data("get", cid, "--to", "fresh", "--verify")).toMatchObject({ code: 0, stdout: "" });
  await writeFile(join(embedded.folder, "fresh", "words.txt"), "one two threE\n");
  expect(await data("get", cid, "--to", "fresh", "--verify")).toMatchObject({ code: 1, stdout: "changed  words.txt\n" });
  expect(await data("get", cid, "--to", "fresh")).toMatchObject({ code: 8 });
  expect(await readdir(join(embedded.folder, "fresh"))).not.toContain(".skrei-part");
});

test("what a job reads that has not ended is not let go, and goes once it has", async () => {
  const started = await embedded.runCli(["run", "-d", "-i", `cid:${cid}:/in`, "busybox", "--", "sleep", "300"]);
  const jobId = started.stdout.trim();
  const refused = await data("rm", "corpus-1");
  expect(refused.code, refused.stderr).toBe(8);
  expect(refused.stderr).toMatch(/DATA_IN_USE/u);
  expect(refused.stderr).toContain(jobId);
  expect(await embedded.runCli(["job", "stop", jobId])).toMatchObject({ code: 0 });
  await embedded.runCli(["job", "wait", jobId]);
  expect((await data("rm", cid, "--dry-run")).stderr).toMatch(/would end 2 entries/u);
  expect((await data("rm", cid, "-q")).stdout).toBe(`${cid}\n${cid}\n`);
  expect(await data("get", cid, "--to", "gone")).toMatchObject({ code: 3, stderr: expect.stringContaining("RESULT_NOT_FOUND") });
  expect(await data("rm", "corpus-1")).toMatchObject({ code: 3 });
});

test("a dry run of the collection says what the collection then frees", async () => {
  const planned = JSON.parse((await data("gc", "--dry-run", "-o", "json")).stdout) as object;
  const { code, stdout } = await data("gc", "-o", "json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(planned);
});

test("the store and the node's cache say what they hold", async () => {
  const { code, stdout, stderr } = await data("stat");
  expect({ code }, stderr).toEqual({ code: 0 });
  expect(stdout).toMatch(/^store +\S+.* free/u);
  expect(stdout).toMatch(/\nNODE +CACHE +USED +HITS +FREE +ENTRIES/u);
  const [node = ""] = embedded.nodes;
  expect((await data("stat", node, "-o", "json")).code).toBe(0);
  expect((await embedded.runCli(["node", "describe", node])).stdout).toMatch(/\ncache +\S+.*free/u);
});

test("a job says where its inputs came from and what its outputs are", async () => {
  await data("put", "./corpus");
  const run = [
    "run",
    "-q",
    "--download",
    "-i",
    `cid:${cid}:/in`,
    "-o",
    "copy:/copy",
    "busybox",
    "--",
    "sh",
    "-c",
    "cp /in/words.txt /copy; mkfifo /copy/pipe",
  ];
  const ran = await embedded.runCli(run);
  expect(ran).toEqual({ code: 0, stdout: "", stderr: "" });
  const folder = (await readdir(embedded.folder)).find((name) => name.startsWith("job-j-")) ?? "";
  expect(await readFile(join(embedded.folder, folder, "outputs", "copy", "words.txt"), "utf8")).toBe("one two three\n");
  const { stdout } = await embedded.runCli(["job", "describe", folder.slice("job-".length)]);
  expect(stdout).toMatch(new RegExp(`\\n/in +3\\.5MB +(?:cached|3\\.5MB) +cid:${cid}`, "u"));
  expect(stdout).toMatch(/\ncopy +0 +\S+ +bafy/u);
  expect(stdout).toMatch(/\nleft out +part 0: \S*pipe/u);
});

test("a failed job's files are downloaded too, and it stays failed", async () => {
  const run = [
    "run",
    "-q",
    "--exit-code",
    "--download=kept",
    "-o",
    "copy:/copy",
    "busybox",
    "--",
    "sh",
    "-c",
    "echo half > /copy/a; exit 3",
  ];
  expect((await embedded.runCli(run)).code).toBe(3);
  expect(await readFile(join(embedded.folder, "kept", "outputs", "copy", "a"), "utf8")).toBe("half\n");
});

test("two downloads into one folder do not mix", async () => {
  const to = await mkdtemp(join(embedded.folder, "two-"));
  await data("put", "./corpus", "--name", "big-one");
  const first = embedded.startCli(["data", "get", "big-one", "--to", to]);
  const second = embedded.startCli(["data", "get", "big-one", "--to", to]);
  const ends = await Promise.all([first.done, second.done]);
  expect(ends.some(({ code }) => code === 0)).toBe(true);
  for (const { code, stderr } of ends) if (code !== 0) expect(stderr).toMatch(/DATA_LOCKED[\s\S]*Wait for it to end/u);
  expect(await data("get", "big-one", "--to", to, "--verify")).toMatchObject({ code: 0 });
  await rm(to, { recursive: true });
  await eventually(
    () => data("rm", "big-one"),
    ({ code }) => code === 0,
    { withinMs: 20_000 },
  );
});
