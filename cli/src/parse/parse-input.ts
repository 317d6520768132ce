import { DomainError, LIMITS } from "@skrei/domain";
import { badValue } from "./bad-value.ts";
import { integerBetween } from "./parse-integer.ts";
import { refuseSource } from "./refused-features.ts";

/** Where `-i` says an input comes from. `upload` is a file or folder of this machine. */
export type InputArgument = { readonly target: string; readonly alias: string } & (
  | { readonly type: "upload"; readonly path: string }
  | { readonly type: "local"; readonly path: string }
  | { readonly type: "http"; readonly url: string; readonly sha256: string }
  | ContentArgument
  | JobArgument
);

interface ContentArgument {
  readonly type: "content";
  readonly cid: string;
  /** Below the content id; empty for all of it. */
  readonly path: string;
}

interface JobArgument {
  readonly type: "job";
  readonly job: string;
  /** Empty for the whole result. */
  readonly output: string;
  readonly partition: number | undefined;
}

const DEFAULT_TARGET = "/inputs";
const WRITE_OPTIONS = ["rw", "read-write", "read_write", "readwrite"];
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//u;

/**
 * `./folder:/inputs`, `https://host/file[:/target]`, `file:///path-on-the-node[:/target]`, `ipfs://CID[/path]` or `cid:CID[/path]`,
 * `job:ID[/output]`, each with `,opt=…`, and Bacalhau's `src=…,dst=…,opt=key=value`.
 */
export function parseInput(text: string): InputArgument {
  const { uri, target, options } = isKeyed(text) ? readKeyed(text) : readPlain(text);
  if (uri === "") throw badValue(text, "an input such as ./folder:/inputs or https://host/file:/inputs");
  if (!target.startsWith("/")) throw badValue(text, "an input whose target is an absolute path, such as ./folder:/inputs");
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  const common = { target, alias: "" };
  switch (scheme) {
    case undefined:
      return { ...common, ...readUnschemed(uri, text, options) };
    case "ipfs":
      refuseOptions(options, text, []);
      return { ...common, ...readContent(uri.slice("ipfs://".length)) };
    case "http":
    case "https":
      refuseOptions(options, text, ["sha256"]);
      return { ...common, type: "http", url: uri, sha256: options.get("sha256") ?? "" };
    case "file":
      if (WRITE_OPTIONS.some((name) => ["true", ""].includes(options.get(name) ?? "false"))) throw refuseSource("local with write access");
      refuseOptions(options, text, [...WRITE_OPTIONS, "ro"]);
      return { ...common, type: "local", path: decodeURIComponent(uri.slice("file://".length)) };
    default:
      throw refuseSource(scheme);
  }
}

function readUnschemed(
  uri: string,
  text: string,
  options: ReadonlyMap<string, string>,
): ContentArgument | JobArgument | { readonly type: "upload"; readonly path: string } {
  if (uri.startsWith("job:")) return readJob(uri.slice("job:".length), text, options);
  refuseOptions(options, text, []);
  return uri.startsWith("cid:") ? readContent(uri.slice("cid:".length)) : { type: "upload", path: uri };
}

/** `CID`, `CID/path`; a slash at the end changes nothing. */
function readContent(text: string): ContentArgument {
  const [cid, path] = splitAt(text.replace(/^\/+|\/+$/gu, ""), "/");
  return { type: "content", cid, path };
}

function readJob(name: string, text: string, options: ReadonlyMap<string, string>): JobArgument {
  refuseOptions(options, text, ["partition"]);
  const [job, output] = splitAt(name.replace(/\/$/u, ""), "/");
  if (job === "") throw badValue(text, "an input such as job:j-01k…/outputs:/inputs");
  const partition = options.get("partition");
  return {
    type: "job",
    job,
    output,
    partition: partition === undefined ? undefined : integerBetween(0, LIMITS.partitionsMax - 1)(partition),
  };
}

interface Parts {
  readonly uri: string;
  readonly target: string;
  readonly options: ReadonlyMap<string, string>;
}

function isKeyed(text: string): boolean {
  return /^(?:src|source|dst|target|destination|opt|option)=/u.test(text);
}

function readKeyed(text: string): Parts {
  const options = new Map<string, string>();
  let uri = "";
  let target = DEFAULT_TARGET;
  for (const piece of text.split(",")) {
    const [key, value] = splitAtEquals(piece);
    if (["src", "source"].includes(key)) uri = value;
    else if (["dst", "target", "destination"].includes(key)) target = value;
    else if (["opt", "option"].includes(key)) addOption(options, value);
    else throw badValue(text, `an input: "${key}" is none of src, dst and opt`);
  }
  return { uri, target, options };
}

function readPlain(text: string): Parts {
  const [head = "", ...rest] = text.split(",opt=");
  const options = new Map<string, string>();
  for (const option of rest) addOption(options, option);
  const afterScheme = SCHEME.exec(head)?.[0].length ?? (/^(?:cid|job):/u.test(head) ? 4 : 0);
  const at = targetColon(head, afterScheme);
  return at === -1 ? { uri: head, target: DEFAULT_TARGET, options } : { uri: head.slice(0, at), target: head.slice(at + 1), options };
}

/** The last colon that a `/` follows; a port's colon never is. */
function targetColon(text: string, from: number): number {
  const at = text.lastIndexOf(":/");
  return at < from ? -1 : at;
}

function addOption(options: Map<string, string>, text: string): void {
  const [name, value] = splitAtEquals(text);
  options.set(name.toLowerCase(), value);
}

function splitAtEquals(text: string): readonly [string, string] {
  return splitAt(text, "=");
}

function splitAt(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function refuseOptions(options: ReadonlyMap<string, string>, text: string, allowed: readonly string[]): void {
  for (const name of options.keys()) {
    if (allowed.includes(name)) continue;
    throw new DomainError("invalid", "FIELD_UNKNOWN", `The input "${text}" has an unknown option "${name}".`, {
      hint: allowed.length === 0 ? "This kind of source has no options." : `Options of this source: ${allowed.join(", ")}.`,
    });
  }
}
