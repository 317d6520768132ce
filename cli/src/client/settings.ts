import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { readDevContext } from "./dev-context.ts";

export interface ServerSettings {
  /** Without a slash at the end. */
  readonly server: string;
  readonly token: string | undefined;
  /** Where the address came from, for messages. */
  readonly origin: string;
  readonly isVerbose: boolean;
}

export interface ServerFlags {
  readonly server: string | undefined;
  readonly "api-host": string | undefined;
  readonly "api-port": number | undefined;
  readonly "token-file": string | undefined;
  readonly verbose: boolean;
}

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 1234;
const KEYS = ["server", "tokenFile"];

/** Flags, then environment, then `config.yaml`, then the context that `skrei dev` wrote, then the default. */
export async function resolveSettings(flags: ServerFlags, env: NodeJS.ProcessEnv): Promise<ServerSettings> {
  const file = await readConfigFile(join(configFolder(env), "config.yaml"));
  const { server, origin } = (await firstServer(flags, env, file)) ?? {
    server: `http://${DEFAULT_HOST}:${DEFAULT_PORT}`,
    origin: "the built-in default",
  };
  const tokenFile = flags["token-file"] ?? env["SKREI_TOKEN_FILE"] ?? (env["SKREI_TOKEN"] === undefined ? file.tokenFile : undefined);
  const token = tokenFile === undefined ? env["SKREI_TOKEN"] : await readToken(tokenFile);
  return { server: normalUrl(server, origin), token: token === "" ? undefined : token, origin, isVerbose: flags.verbose };
}

/** `$XDG_CONFIG_HOME/skrei`, the same on Linux and macOS on purpose. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  const base = env["XDG_CONFIG_HOME"];
  return join(base === undefined || base === "" ? join(env["HOME"] ?? homedir(), ".config") : base, "skrei");
}

async function firstServer(
  flags: ServerFlags,
  env: NodeJS.ProcessEnv,
  file: ConfigFile,
): Promise<{ server: string; origin: string } | undefined> {
  if (flags.server !== undefined) return { server: flags.server, origin: "--server" };
  if (flags["api-host"] !== undefined || flags["api-port"] !== undefined)
    return { server: fromHostAndPort(flags), origin: "--api-host and --api-port" };
  const fromEnv = env["SKREI_SERVER"];
  if (fromEnv !== undefined && fromEnv !== "") return { server: fromEnv, origin: "SKREI_SERVER" };
  if (file.server !== undefined) return { server: file.server, origin: file.path };
  const dev = await readDevContext(configFolder(env));
  return dev === undefined || dev.stoppedAtMs !== undefined
    ? undefined
    : { server: dev.server, origin: 'the context "dev" that `skrei dev` wrote' };
}

function fromHostAndPort(flags: ServerFlags): string {
  const host = flags["api-host"] ?? DEFAULT_HOST;
  if (/^https?:\/\//iu.test(host))
    return flags["api-port"] === undefined ? host : Object.assign(new URL(host), { port: String(flags["api-port"]) }).href;
  const name = host === "0.0.0.0" ? DEFAULT_HOST : host;
  return `http://${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${flags["api-port"] ?? DEFAULT_PORT}`;
}

function normalUrl(server: string, origin: string): string {
  const url = URL.parse(server.includes("://") ? server : `http://${server}`);
  if (url === null || !/^https?:$/u.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new DomainError("invalid", "CONFIG_INVALID", `The cluster's address from ${origin} is not a http(s) URL without credentials.`, {
      hint: "Use a form such as http://127.0.0.1:1234; a token goes into a file (--token-file).",
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/u, "")}`;
}

interface ConfigFile {
  readonly path: string;
  readonly server?: string;
  readonly tokenFile?: string;
}

async function readConfigFile(path: string): Promise<ConfigFile> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
    throw new DomainError("invalid", "CONFIG_INVALID", `The file ${path} cannot be read.`, { cause: error });
  });
  if (text === "") return { path };
  const { parse } = await import("yaml");
  const value: unknown = parse(text) ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DomainError("invalid", "CONFIG_INVALID", `The file ${path} is not a mapping.`);
  for (const [key, entry] of Object.entries(value)) {
    if (!KEYS.includes(key))
      throw new DomainError("invalid", "CONFIG_INVALID", `The file ${path} has an unknown key "${key}"${suggestion(key, KEYS)}.`, {
        hint: `Keys: ${KEYS.join(", ")}.`,
      });
    if (typeof entry !== "string") throw new DomainError("invalid", "CONFIG_INVALID", `The key "${key}" of ${path} must be text.`);
  }
  return { path, ...(value as { server?: string; tokenFile?: string }) };
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new DomainError("invalid", "CONFIG_INVALID", `The token file ${path} cannot be read.`, { cause });
  }
}
