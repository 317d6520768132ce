/** Every limit with its unit and why. Generated into docs/limits.md. */
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const LIMITS = {
  /** A spec must fit several times into one bus message of 1 MiB. */
  specBytesMax: 256 * KIB,
  /** All inline inputs of a spec; larger data is uploaded. */
  inlineBytesMax: 64 * KIB,
  partitionsMax: 1_000_000,
  submitJobsMax: 1_000,
  namesLengthMax: 63,
  labelsMax: 64,
  metaValueBytesMax: KIB,
  constraintsMax: 32,
  inputsMax: 64,
  /** As S3 limits it. */
  objectKeyBytesMax: KIB,
  /** Regular expressions and date layouts. */
  patternCharsMax: 1_024,
  /** Lines at the head of a divided file that every partition gets. */
  headerLinesMax: 100,
  recordBytesMax: 1_024 * GIB,
  outputsMax: 32,
  envMax: 256,
  envValueBytesMax: 32 * KIB,
  parametersMax: 1_024,
  attemptsMax: 20,
  /** Rejected and lost executions of one partition; a bound against loops, not a budget. The same rejection ends it sooner. */
  blamelessAttemptsMax: 20,
  /** Partitions whose results are joined into one folder for an input; about a millisecond each while the job is submitted. */
  joinedPartitionsMax: 5_000,
  pageSizeMax: 1_000,
  watchSnapshotMax: 10_000,
  /** How long a request id is remembered. */
  requestIdTtlMs: 24 * 3_600_000,
  /** stdout and stderr of one execution together; what comes after is dropped and marked. */
  outputBytesMax: 64 * MIB,
  /** Files of one result folder. */
  resultFilesMax: 1_000_000,
  resultDepthMax: 256,
  /** A path inside a result; half of what Linux takes, so that a store and a reader have room for a folder above it. */
  resultPathBytesMax: 2 * KIB,
  /** Interoperable ceiling of IPFS implementations. */
  blockBytesMax: 2 * MIB,
  /** Batches of asks, assignments and reports are cut at this size to stay under the bus' 1 MiB. */
  busBatchBytesMax: 512 * KIB,
  /** Entries of a job's allowlist. */
  networkDomainsMax: 256,
  /** Hosts of an execution's network use that are listed by name; further ones are counted in the totals only. */
  networkHostsMax: 64,
  /** Different reasons of refusals that are kept for one host. */
  networkDenialReasonsMax: 8,
  wasmModuleBytesMax: 256 * MIB,
  httpInputBytesMax: 100 * GIB,
  /** A frame of captured output. */
  logChunkBytesMax: 64 * KIB,
} as const;

export const DEFAULTS = {
  cpuMillis: 500,
  memoryBytes: 512 * MIB,
  diskBytes: GIB,
  executionTimeoutMs: 24 * 3_600_000,
  attemptsMax: 3,
  backoffMs: 1_000,
  backoffMsMax: 60_000,
} as const;
