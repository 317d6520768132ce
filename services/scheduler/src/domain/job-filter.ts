import { DomainError, JOB_STATES } from "@skrei/domain";
import type { Job, JobState } from "@skrei/domain";

/** A parsed filter; all clauses must hold. */
export type JobFilter = readonly JobFilterClause[];

interface JobFilterClause {
  readonly key: JobFilterKey;
  /** One must match. */
  readonly values: readonly string[];
  readonly isNegated: boolean;
}

type ClauseTest = (job: Job, value: string) => boolean;

/** `text` is a word without a key. Matching ignores case where people type freely. */
const TESTS = {
  state: (job, value) => job.state === value,
  label: (job, value) => hasLabel(job.spec.labels, value),
  ns: (job, value) => job.spec.namespace === value,
  engine: (job, value) => job.spec.task.engine.name === value,
  id: (job, value) => job.id.startsWith(value),
  name: (job, value) => job.spec.name === value,
  text: (job, value) => job.id.startsWith(value.toLowerCase()) || job.spec.name.toLowerCase().includes(value.toLowerCase()),
} as const satisfies Record<string, ClauseTest>;

type JobFilterKey = keyof typeof TESTS;

/** What can be written before a colon. */
const JOB_FILTER_KEYS: readonly string[] = Object.keys(TESTS).filter((key) => key !== "text");

/**
 * `state:failed|stopped label:team=a !ns:web name-part`: space is AND, `|` OR between values, `!` negates. Empty: everything.
 * `label:team` asks for the label, whatever its value; `label:team=a|b` for one of two values.
 * @throws DomainError invalid/FILTER_INVALID with the column (from 1) and the known keys.
 */
export function parseJobFilter(text: string): JobFilter {
  if (text.length > TEXT_MAX) throw invalid(TEXT_MAX + 1, `the filter has ${text.length} characters, at most ${TEXT_MAX} are allowed`);
  const words = [...text.matchAll(/\S+/gu)];
  if (words.length > CLAUSES_MAX)
    throw invalid(words[CLAUSES_MAX]?.index ?? 0, `the filter has ${words.length} terms, at most ${CLAUSES_MAX} are allowed`);
  return words.map(({ 0: word, index }) => parseClause(word, index + 1));
}

export function matchesJobFilter(filter: JobFilter, job: Job): boolean {
  return filter.every(({ key, values, isNegated }) => values.some((value) => TESTS[key](job, value)) !== isNegated);
}

/** The part of a filter that the store's indexes answer. `states` empty is every state. */
export interface IndexedFilter {
  readonly states: readonly JobState[];
  readonly namespace: string | undefined;
  /** All matching jobs have an id that begins so. */
  readonly idPrefix: string | undefined;
  /** No job can match. */
  readonly isEmpty: boolean;
}

export function indexedPart(filter: JobFilter): IndexedFilter {
  const states = JOB_STATES.filter((state) =>
    filter.every(({ key, values, isNegated }) => key !== "state" || values.includes(state) !== isNegated),
  );
  return {
    states: states.length === JOB_STATES.length ? [] : states,
    namespace: onlyValue(filter, "ns"),
    idPrefix: onlyValue(filter, "id"),
    isEmpty: states.length === 0,
  };
}

function onlyValue(filter: JobFilter, key: JobFilterKey): string | undefined {
  const clause = filter.find((candidate) => candidate.key === key && !candidate.isNegated && candidate.values.length === 1);
  return clause?.values[0];
}

function parseClause(word: string, column: number): JobFilterClause {
  const isNegated = word.startsWith("!");
  const body = isNegated ? word.slice(1) : word;
  const colon = body.indexOf(":");
  const key = colon === -1 ? "text" : body.slice(0, colon);
  const keyColumn = column + (isNegated ? 1 : 0);
  if (!isKey(key) || (colon !== -1 && key === "text")) throw invalid(keyColumn, `unknown key "${key.slice(0, 40)}" at column ${keyColumn}`);
  const valueColumn = keyColumn + colon + 1;
  const values = body.slice(colon + 1).split("|");
  if (values.includes("")) throw invalid(valueColumn, `a value is missing at column ${valueColumn}`);
  if (key === "state") checkStates(values, valueColumn);
  return { key, values: key === "label" ? labelValues(values) : values, isNegated };
}

function checkStates(values: readonly string[], column: number): void {
  const unknown = values.find((value) => !JOB_STATES.some((state) => state === value));
  if (unknown === undefined) return;
  throw invalid(column, `unknown state "${unknown.slice(0, 40)}" at column ${column}; states are ${JOB_STATES.join(", ")}`);
}

/** `team=a|b` becomes `team=a`, `team=b`. */
function labelValues(values: readonly string[]): readonly string[] {
  const first = values[0] ?? "";
  const key = first.includes("=") ? first.slice(0, first.indexOf("=")) : undefined;
  return values.map((value) => (key === undefined || value.includes("=") ? value : `${key}=${value}`));
}

function hasLabel(labels: Readonly<Record<string, string>>, value: string): boolean {
  const equals = value.indexOf("=");
  const key = equals === -1 ? value : value.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals === -1 || labels[key] === value.slice(equals + 1));
}

function isKey(key: string): key is JobFilterKey {
  return Object.hasOwn(TESTS, key);
}

function invalid(column: number, what: string): DomainError {
  const keys = JOB_FILTER_KEYS.map((key) => `${key}:`).join(" ");
  return new DomainError("invalid", "FILTER_INVALID", `The filter does not parse: ${what}.`, {
    metadata: { column: String(column), keys: JOB_FILTER_KEYS.join(",") },
    hint: `Keys are ${keys}; words without a key match ids and names.`,
  });
}

const TEXT_MAX = 1_024;
const CLAUSES_MAX = 32;
