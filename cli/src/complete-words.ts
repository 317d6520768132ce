import { GLOBAL_FLAGS } from "./command.ts";
import type { CommandDefinition } from "./command.ts";
import { kindOf } from "./data/kept-words.ts";
import type { Flag, Flags } from "./flags.ts";
import { cleanLine } from "./output/clean-text.ts";
import { formatBytes } from "./parse/parse-bytes.ts";
import { jobStateOf } from "./run/job-words.ts";
import type { Session } from "./session.ts";

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** The cluster is asked for at most this long; a slow one must not hold the shell. */
const ASK_TIMEOUT_MS = 300;
const JOBS_OFFERED = 50;

/** What may stand in place of the last word. */
export async function completeWords(
  words: readonly string[],
  commands: readonly CommandDefinition[],
  session: Session,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const candidates = await candidatesFor(before, current, { commands, session });
  return candidates.filter(({ value }) => value.startsWith(current));
}

async function candidatesFor(
  before: readonly string[],
  current: string,
  { commands, session }: { commands: readonly CommandDefinition[]; session: Session },
): Promise<readonly Candidate[]> {
  const definition = commands.find(({ path }) => before.join(" ") === path || before.join(" ").startsWith(`${path} `));
  if (definition === undefined) return nextWords(before, commands);
  const flags: Flags = { ...GLOBAL_FLAGS, ...definition.flags };
  const previous = before.at(-1) ?? "";
  const flag = Object.entries(flags).find(([long, { short }]) => previous === `--${long}` || previous === `-${short}`)?.[1];
  if (flag !== undefined && flag.kind !== "boolean") return choicesOf(flag);
  return current.startsWith("-") ? flagNames(flags) : argumentValues(definition, session);
}

function choicesOf(flag: Flag): readonly Candidate[] {
  return flag.kind !== "boolean" ? (flag.choices ?? []).map((value) => ({ value, description: "" })) : [];
}

function flagNames(flags: Flags): readonly Candidate[] {
  return Object.entries(flags)
    .filter(([, { isHidden }]) => isHidden !== true)
    .map(([long, { summary }]) => ({ value: `--${long}`, description: summary }));
}

async function argumentValues({ args: [argument] }: CommandDefinition, session: Session): Promise<readonly Candidate[]> {
  if (argument?.completes === "job") return jobs(session);
  if (argument?.completes === "data") return data(session);
  return argument?.completes === "node" ? nodes(session) : [];
}

function nextWords(before: readonly string[], commands: readonly CommandDefinition[]): readonly Candidate[] {
  const found = new Map<string, string>();
  for (const { path, summary, isHidden } of commands) {
    const words = path.split(" ");
    const word = words[before.length];
    if (isHidden === true || word === undefined || !before.every((given, index) => given === words[index])) continue;
    found.set(word, words.length === before.length + 1 ? summary : "");
  }
  return [...found].map(([value, description]) => ({ value, description }));
}

async function jobs({ cluster }: Session): Promise<readonly Candidate[]> {
  try {
    const page = await cluster.jobs.listJobs({ pageSize: JOBS_OFFERED }, { timeoutMs: ASK_TIMEOUT_MS });
    return page.jobs.map((job) => ({ value: job.jobId, description: cleanLine(`${job.spec?.name ?? ""} ${jobStateOf(job)}`) }));
  } catch {
    // Completion without a cluster offers nothing; an error would land in the middle of the user's line.
    return [];
  }
}

async function nodes({ cluster }: Session): Promise<readonly Candidate[]> {
  try {
    const page = await cluster.nodes.listNodes({ pageSize: JOBS_OFFERED }, { timeoutMs: ASK_TIMEOUT_MS });
    return page.nodes.map(({ nodeId, name }) => ({ value: nodeId, description: cleanLine(name) }));
  } catch {
    // As for jobs.
    return [];
  }
}

/** Names first: nobody types content ids. */
async function data({ cluster }: Session): Promise<readonly Candidate[]> {
  try {
    const page = await cluster.data.listData({ pageSize: JOBS_OFFERED }, { timeoutMs: ASK_TIMEOUT_MS });
    const roots = new Map(page.data.map((kept) => [kept.cid, `${kindOf(kept)} ${formatBytes(Number(kept.sizeBytes))}`]));
    const names = page.data.filter(({ name }) => name !== "").map(({ name, cid }) => ({ value: name, description: cid }));
    return [...names, ...[...roots].map(([value, description]) => ({ value, description }))];
  } catch {
    // As for jobs.
    return [];
  }
}
