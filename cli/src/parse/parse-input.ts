import { LIMITS } from "@skrei/domain";
import type { InputDraft, SourceDraft } from "../job-file/job-draft.ts";
import { badValue } from "./bad-value.ts";
import { PARTITION_OPTIONS, partitionOfOptions } from "./parse-division.ts";
import { integerBetween } from "./parse-integer.ts";
import { parseSha256 } from "./parse-sha256.ts";
import { refuseSource } from "./refused-features.ts";
import { isSwitchedOn, optionOf, readOptions, refuseOthers, splitAt, splitFields } from "./split-options.ts";
import type { Options } from "./split-options.ts";

const DEFAULT_TARGET = "/inputs";
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//u;

/** Of any source. */
const COMMON = ["alias", ...PARTITION_OPTIONS];
const WRITE = ["rw", "read-write", "read_write", "readwrite"];
const VERSION = ["version-id", "versionid", "version_id"];
const CHECKSUM = ["checksum-256", "checksum256", "checksum_256"];

/**
 * `./folder:/inputs`, `https://host/file[:/target]`, `s3://bucket/key[:/target]`, `file:///path-on-the-node[:/target]`,
 * `ipfs://CID[/path]` or `cid:CID[/path]`, `job:ID[/output]`, each with `,opt=…`, and Bacalhau's `src=…,dst=…,opt=key=value`.
 */
export function parseInput(text: string): InputDraft {
  const { uri, target, options } = isKeyed(text) ? readKeyed(text) : readPlain(text);
  if (uri === "") throw badValue(text, "an input such as ./folder:/inputs or https://host/file:/inputs");
  if (!target.startsWith("/")) throw badValue(text, "an input whose target is an absolute path, such as ./folder:/inputs");
  const { source, known, shown = known } = readSource(uri, text, options);
  refuseOthers(options, { what: `The input "${text}"`, known: [...known, ...COMMON], shown: [...shown, ...COMMON] });
  const partition = partitionOfOptions(options);
  return { target, alias: options.get("alias") ?? "", source, ...(partition !== undefined && { partition }) };
}

interface ReadSource {
  readonly source: SourceDraft;
  /** Options of this kind of source, in all their spellings. */
  readonly known: readonly string[];
  /** Those that are told. */
  readonly shown?: readonly string[];
}

function readSource(uri: string, text: string, options: Options): ReadSource {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  const rest = uri.slice((scheme ?? "").length + "://".length);
  switch (scheme) {
    case undefined:
      return readUnschemed(uri, text, options);
    case "ipfs":
      return { source: readContent(rest), known: [] };
    case "http":
    case "https":
      return { source: { type: "http", url: uri, sha256: options.get("sha256") ?? "" }, known: ["sha256"] };
    case "s3":
      return readS3(rest, options);
    case "file":
      return readLocal(percentDecoded(rest, uri), options);
    default:
      throw refuseSource(scheme);
  }
}

function readUnschemed(uri: string, text: string, options: Options): ReadSource {
  if (uri.startsWith("job:")) return { source: readJob(uri.slice("job:".length), text, options), known: ["partition"] };
  return { source: uri.startsWith("cid:") ? readContent(uri.slice("cid:".length)) : { type: "upload", path: uri }, known: [] };
}

/** `CID`, `CID/path`; a slash at the end changes nothing. */
function readContent(text: string): SourceDraft {
  const [cid, path] = splitAt(text.replace(/^\/+|\/+$/gu, ""), "/");
  return { type: "content", cid, path };
}

function readJob(name: string, text: string, options: Options): SourceDraft {
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

/** The key is what stands there, as the AWS command line has it: nothing is percent-decoded. */
function readS3(location: string, options: Options): ReadSource {
  const [bucket, key] = splitAt(location, "/");
  const checksum = optionOf(options, CHECKSUM) ?? "";
  const source: SourceDraft = {
    type: "s3",
    bucket,
    key,
    filter: options.get("filter") ?? "",
    region: options.get("region") ?? "",
    endpoint: options.get("endpoint") ?? "",
    versionId: optionOf(options, VERSION) ?? "",
    sha256: checksum === "" ? "" : parseSha256(checksum),
  };
  const plain = ["endpoint", "region", "filter"];
  return { source, known: [...plain, ...VERSION, ...CHECKSUM], shown: [...plain, "version-id", "checksum-256"] };
}

function percentDecoded(path: string, uri: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw badValue(uri, "a path of the node, in which % is followed by two hex digits, and %25 is % itself");
  }
}

function readLocal(path: string, options: Options): ReadSource {
  const creates = parseCreates(options.get("create") ?? "none");
  const isWritable = isSwitchedOn(options, WRITE);
  if (isWritable && isSwitchedOn(options, ["ro"])) throw badValue(path, "an input that is read-only or writable, not both");
  const source: SourceDraft = {
    type: "local",
    path,
    ...(isWritable && { isWritable: true }),
    ...(creates !== undefined && { creates }),
  };
  return { source, known: [...WRITE, "ro", "create"], shown: ["rw", "create"] };
}

/** Bacalhau's words among them; undefined for nothing. */
export function parseCreates(word: string): "folder" | "file" | undefined {
  switch (word.toLowerCase()) {
    case "dir":
    case "folder":
      return "folder";
    case "file":
      return "file";
    case "none":
    case "nocreate":
      return undefined;
    default:
      throw badValue(word, "what is made when nothing is there: dir, file or noCreate");
  }
}

interface Parts {
  readonly uri: string;
  readonly target: string;
  readonly options: Options;
}

function isKeyed(text: string): boolean {
  return /^"?(?:src|source|dst|target|destination|opt|option)=/u.test(text);
}

function readKeyed(text: string): Parts {
  const options: string[] = [];
  let uri = "";
  let target = DEFAULT_TARGET;
  for (const piece of splitFields(text)) {
    const [key, value] = splitAt(piece, "=");
    if (["src", "source"].includes(key)) uri = value;
    else if (["dst", "target", "destination"].includes(key)) target = value;
    else if (["opt", "option"].includes(key)) options.push(value);
    else throw badValue(text, `an input: "${key}" is none of src, dst and opt`);
  }
  return { uri, target, options: readOptions(options) };
}

function readPlain(text: string): Parts {
  const [head = "", ...rest] = text.split(",opt=");
  const options = readOptions(rest);
  const afterScheme = SCHEME.exec(head)?.[0].length ?? (/^(?:cid|job):/u.test(head) ? 4 : 0);
  const at = targetColon(head, afterScheme);
  return at === -1 ? { uri: head, target: DEFAULT_TARGET, options } : { uri: head.slice(0, at), target: head.slice(at + 1), options };
}

/** The last colon that a `/` follows; a port's colon never is. */
function targetColon(text: string, from: number): number {
  const at = text.lastIndexOf(":/");
  return at < from ? -1 : at;
}
