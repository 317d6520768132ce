import { booleanFlag, listFlag, optionalFlag, text, valueFlag } from "../flags.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import { parseConstraints } from "../parse/parse-constraints.ts";
import { parseCpu } from "../parse/parse-cpu.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import { parseInput } from "../parse/parse-input.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { parseKeyValue } from "../parse/parse-key-value.ts";
import { parseOutputPath } from "../parse/parse-output-path.ts";
import { refuseFeature } from "../parse/refused-features.ts";
import { NETWORK_FLAGS } from "./network-flags.ts";
import { PUBLISHER_FLAGS } from "./publisher-flags.ts";

/** What a job is made of when it has no file. */
export const JOB_FLAGS = {
  env: listFlag("K=V", "variable of the job's environment", parseKeyValue, { short: "e", isCommon: true }),
  input: listFlag(
    "SRC:DST",
    "input: ./path, https://…, s3://bucket/key, file:///path-of-the-node, ipfs://CID/path or job:ID/output",
    parseInput,
    {
      short: "i",
      isCommon: true,
    },
  ),
  out: listFlag("NAME:PATH", "folder of the job that is kept as a result", parseOutputPath, { short: "o", isCommon: true }),
  output: listFlag("NAME:PATH", "the same as --out, as in Bacalhau", parseOutputPath, { isHidden: true }),
  count: valueFlag("N", "number of parts", integerBetween(1, 1_000_000), { isCommon: true }),
  cpu: valueFlag("CPU", "cpu of one part: 500m, 0.5, 2", parseCpu),
  memory: valueFlag("SIZE", "memory of one part: 512MB, 1.5GiB", parseBytes),
  disk: valueFlag("SIZE", "disk of one part: inputs, scratch and outputs", parseBytes),
  timeout: valueFlag("TIME", "limit from submission to the end: 90s, 1h30m", parseDuration, { isCommon: true }),
  "execution-timeout": valueFlag("TIME", "limit of one attempt", parseDuration),
  "queue-timeout": valueFlag("TIME", "limit until the first part starts", parseDuration),
  attempts: valueFlag("N", "attempts of each part in all", integerBetween(1, 20)),
  name: valueFlag("NAME", "name for people", text),
  namespace: valueFlag("NAME", "group of jobs", text),
  priority: valueFlag("N", "higher runs first, -100 to 100", integerBetween(-100, 100)),
  label: listFlag("K=V", "label of the job", parseKeyValue, { short: "l" }),
  labels: listFlag("K=V", "the same as --label, as in Bacalhau", parseKeyValue, { isHidden: true }),
  where: listFlag("EXPR", "condition on a node's labels: zone=b, 'region in (a,b)'", parseConstraints),
  constraints: listFlag("EXPR", "the same as --where, as in Bacalhau", parseConstraints, { isHidden: true }),
  ...NETWORK_FLAGS,
  ...PUBLISHER_FLAGS,
  gpu: valueFlag("N", "not offered", refuseGpu, { isHidden: true }),
  "task-name": valueFlag("NAME", "name of the task", text, { isHidden: true }),
} as const;

/** Where a job file is. */
export const FILE_FLAG = {
  file: valueFlag("FILE", "a job file; - is stdin", text, { short: "f", isCommon: true }),
} as const;

/** How the command behaves once the job is submitted. */
export const FOLLOW_FLAGS = {
  detach: booleanFlag("submit, print the id, do not wait", { short: "d", isCommon: true }),
  quiet: booleanFlag("nothing on stderr but errors", { short: "q" }),
  "id-only": booleanFlag("the same as --detach, as in Bacalhau", { isHidden: true }),
  follow: booleanFlag("output is followed anyway", { isHidden: true }),
  raw: booleanFlag("the job's bytes as they are, also to a terminal"),
  download: optionalFlag("DIR", "download the results when the job has ended; default ./job-ID", { isCommon: true }),
  get: valueFlag("DIR", "the same as --download=DIR", text),
  force: booleanFlag("replace what is in the folder of --download or --get"),
  overwrite: booleanFlag("the same as --force, as in job get", { isHidden: true }),
  "exit-code": booleanFlag("end with the job's own exit code"),
  "stop-on-interrupt": booleanFlag("Ctrl-C stops the job instead of leaving it"),
  "wait-timeout": valueFlag("TIME", "stop waiting after this time; the job goes on", parseDuration),
  "request-id": valueFlag("ID", "the same id submits the same job only once", text),
  "dry-run": booleanFlag("print the job as JSON, submit nothing", { isCommon: true }),
} as const;

function refuseGpu(amount: string): number {
  if (amount === "0") return 0;
  throw refuseFeature("GPUs are", "Leave --gpu out.");
}
