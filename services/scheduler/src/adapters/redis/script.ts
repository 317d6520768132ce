import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

/** Runs one Lua script; the server gets its text once and its hash from then on. */
export type RedisScript = (client: Redis, keys: readonly string[], values: readonly (string | number)[]) => Promise<unknown>;

/** `name` is a file of this folder without its ending. */
export function loadScript(name: string): RedisScript {
  const source = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
  const sha = createHash("sha1").update(source).digest("hex");
  return async (client, keys, values) => {
    // One array, not spread arguments: a large change has more of them than the stack takes.
    const rest = [keys.length, ...keys, ...values];
    try {
      return await client.call("EVALSHA", [sha, ...rest]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return await client.call("EVAL", [source, ...rest]);
    }
  };
}
