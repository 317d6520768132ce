import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)));
const sources = files.filter((file) => /\.tsx?$/u.test(file));
const documents = files.filter((file) => file.endsWith(".md"));

function linesWith(pattern: RegExp, among: readonly string[]): string[] {
  return among.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${String(index + 1)}: ${line.trim()}`] : [])),
  );
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

const outsideTidy = (file: string): boolean => !file.startsWith("test/tidy/");

test("no file is called utils, helpers, common, misc, types or manager", () => {
  expect(sources.filter((file) => /(^|\/)(utils?|helpers?|common|misc|types|structs|manager)(\.|\/)/u.test(file))).toEqual([]);
});

test("nothing is left to do in a comment", () => {
  expect(linesWith(/\b(TODO|FIXME|XXX|HACK)\b/u, sources.filter(outsideTidy))).toEqual([]);
});

test("tests wait for a state, never for a time", () => {
  const tests = sources.filter((file) => /\.test\.tsx?$/u.test(file) && outsideTidy(file));
  expect(linesWith(/await (sleep|delay|setTimeout)\(\s*[\d_]+/u, tests)).toEqual([]);
});

test("bus subjects are spelt in one file", () => {
  const others = sources.filter((file) => file.startsWith("services/") && !file.endsWith("subjects.ts") && !file.endsWith(".test.ts"));
  expect(linesWith(/["'`]skrei\.\$?\{?[a-z]*\}?\.?(rpc|node)\./u, others)).toEqual([]);
});

test("no machine's own path or registry is written down", () => {
  const text = files.filter((file) => outsideTidy(file) && !/\.(wasm|png|svg)$/u.test(file));
  expect(linesWith(/(^|[^a-zA-Z0-9_.-])\/work\/|registry\.npmjs\.org/u, text)).toEqual([]);
});

test("generated code is not tracked", () => {
  expect(files.filter((file) => file.startsWith("proto/gen/"))).toEqual([]);
});

test("every service says what it is for", () => {
  const services = ["scheduler", "compute-agent", "storage-fetcher", "network-proxy", "publisher", "standalone"];
  expect(services.filter((name) => !existsSync(join(root, "services", name, "README.md")))).toEqual([]);
});

test("relative links of documents lead somewhere", () => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/gu)]
      .map(([, target = ""]) => target)
      .filter((target) => !existsSync(join(root, normalize(join(dirname(file), target)))))
      .map((target) => `${file} -> ${target}`),
  );
  expect(broken).toEqual([]);
});

test("the lockfile names no registry", () => {
  expect(read("package-lock.json")).not.toContain('"resolved": "http');
});
