import type { Redis } from "ioredis";
import { DomainError } from "@skrei/domain";

/**
 * Refuses a server that could lose acknowledged writes, naming every setting that is wrong.
 * @throws DomainError precondition/STORE_SETTINGS_UNSAFE.
 */
export async function checkDurability(client: Redis, address: string): Promise<void> {
  const wrong: { readonly setting: Setting; readonly found: string }[] = [];
  for (const setting of SETTINGS) {
    const found = await readSetting(client, setting.name, address);
    if (found !== setting.wanted) wrong.push({ setting, found });
  }
  if (wrong.length === 0) return;
  const list = wrong.map(({ setting, found }) => `${setting.name} is ${found || "unset"} and must be ${setting.wanted} (${setting.why})`);
  const lines = wrong.map(({ setting }) => `${setting.name} ${setting.wanted}`);
  throw new DomainError(
    "precondition",
    "STORE_SETTINGS_UNSAFE",
    `The store at ${address} could lose acknowledged writes: ${list.join("; ")}.`,
    {
      hint: `Put these lines into redis.conf or valkey.conf and restart the server:\n${lines.join("\n")}`,
      metadata: Object.fromEntries(wrong.map(({ setting, found }) => [setting.name, found])),
    },
  );
}

async function readSetting(client: Redis, name: string, address: string): Promise<string> {
  try {
    const answer = await client.config("GET", name);
    return Array.isArray(answer) ? String(answer[1] ?? "") : "";
  } catch (error) {
    if (!(error instanceof Error) || !/^(NOPERM|ERR unknown)/u.test(error.message)) throw error;
    throw new DomainError("precondition", "STORE_SETTINGS_UNSAFE", `The store at ${address} does not let its settings be read.`, {
      hint: `Allow the command CONFIG GET, so that these can be checked:\n${SETTINGS.map((one) => `${one.name} ${one.wanted}`).join("\n")}`,
      cause: new Error(error.message),
    });
  }
}

interface Setting {
  readonly name: string;
  readonly wanted: string;
  readonly why: string;
}

const SETTINGS: readonly Setting[] = [
  { name: "appendonly", wanted: "yes", why: "without a log nothing outlives the process" },
  { name: "appendfsync", wanted: "always", why: "anything less acknowledges before the disk has it" },
  { name: "no-appendfsync-on-rewrite", wanted: "no", why: "else nothing is flushed while the log is rewritten" },
  { name: "maxmemory-policy", wanted: "noeviction", why: "any other drops records when memory is short" },
];
