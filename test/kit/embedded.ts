import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CliOptions, type CliProcess, type CliResult, startCli } from "./cli-process.ts";
import { DOCKER_HOST } from "./docker-host.ts";
import { eventually } from "./eventually.ts";

/** `skrei dev` with a home of its own, and the CLI as a second terminal of the same person has it. */
export interface Embedded extends AsyncDisposable {
  readonly url: string;
  readonly nodes: readonly string[];
  /** A folder of the test, which is also the CLI's home and working directory. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly dev: CliProcess;
  runCli(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  startCli(args: readonly string[], options?: CliOptions): CliProcess;
}

/** Starts `skrei dev` on a free port, beside `files` of a test; `settings` are variables of its environment. Nothing of it is left when it is disposed of. */
export async function startEmbedded(
  flags: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<Embedded> {
  const folder = await mkdtemp(join(tmpdir(), "skrei-embedded-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const env = { HOME: folder, DOCKER_HOST, NO_COLOR: "1" };
  const dev = startCli(["dev", "--json", ...flags], { env: { ...env, ...settings }, cwd: folder, withinMs: 600_000 });
  const line = await eventually(
    () => dev.stdout(),
    (text) => text.includes("\n"),
    { withinMs: 60_000 },
  ).catch(async (error: unknown) => {
    await dev[Symbol.asyncDispose]();
    throw new Error(`skrei dev did not get ready: ${dev.stderr()}`, { cause: error });
  });
  const { server, nodes } = JSON.parse(line) as { server: string; nodes: string[] };
  const start = (args: readonly string[], options: CliOptions = {}): CliProcess =>
    startCli(args, { cwd: folder, ...options, env: { ...env, ...options.env } });
  return {
    url: server,
    nodes,
    folder,
    env,
    dev,
    startCli: start,
    runCli: (args, options) => start(args, options).done,
    [Symbol.asyncDispose]: async () => {
      dev.signal("SIGINT");
      await dev.done.catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
