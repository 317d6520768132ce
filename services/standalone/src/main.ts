import { DomainError } from "@skrei/domain";
import { loadConfig } from "@skrei/platform/config.ts";
import { configHelp, isHelpAsked } from "@skrei/platform/config-help.ts";
import { createLogger } from "@skrei/platform/logger.ts";
import { StandaloneConfig } from "./config.ts";
import { createStandalone } from "./service.ts";

const STOP_TIMEOUT_MS = 12_000;

/** stdout carries the ready record and nothing else; the log goes to stderr. Exit codes: 0 stopped, 1 failed, 8 port or folder in use, 78 bad configuration. */
async function main(): Promise<number> {
  if (isHelpAsked(process.argv.slice(2))) {
    process.stdout.write(configHelp(StandaloneConfig, "standalone"));
    return 0;
  }
  // oxlint-disable-next-line node/no-process-env -- This program's one read of the environment; loadConfig gets it as a value.
  const { config } = loadConfig(StandaloneConfig, { service: "standalone", env: process.env, argv: process.argv.slice(2) });
  const logger = createLogger({ service: "standalone", level: config.logLevel, destination: "stderr" });
  const cluster = createStandalone(config, { logger });
  const asked = askedToStop(config);
  const started = cluster.start().then(() => "started" as const);
  const first = await Promise.race([started, asked]);
  if (first === "started") {
    process.stdout.write(`${JSON.stringify(cluster.ready())}\n`);
    await asked;
  }
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await cluster.stop("asked to stop");
  return 0;
}

function askedToStop({ stopsWithStdin }: StandaloneConfig): Promise<"stop"> {
  return new Promise((resolve) => {
    const stop = (): void => {
      resolve("stop");
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    if (!stopsWithStdin) return;
    process.stdin.on("end", stop).on("error", stop).resume();
  });
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof DomainError)) return 1;
  if (error.reason === "CONFIG_INVALID") return 78;
  return error.reason === "PORT_IN_USE" || error.reason === "DATA_LOCKED" ? 8 : 1;
}

function describe(error: unknown): string {
  if (!(error instanceof DomainError)) return `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
  const violations = error.violations.map(({ field, message }) => `   why: ${field}: ${message}\n`).join("");
  const hint = error.metadata["hint"];
  return `error: ${error.message}\n${violations}  code: ${error.reason}\n${hint === undefined ? "" : `   fix: ${hint}\n`}`;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(describe(error));
  process.exit(exitCodeOf(error));
}
