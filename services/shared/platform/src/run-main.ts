import type { z } from "zod";
import { type LoadedConfig, loadConfig } from "./config.ts";
import { configHelp, isHelpAsked } from "./config-help.ts";
import { DomainError, hasReason } from "@skrei/domain";
import type { Service } from "./lifecycle.ts";
import { createLogger, type Logger } from "./logger.ts";

export interface MainOptions<Schema extends z.ZodType> {
  /** `scheduler`; also the middle of its environment variables. */
  readonly service: string;
  readonly schema: Schema;
  readonly create: (config: z.output<Schema>, logger: Logger) => Service;
  /** Default 15 s; then the process exits 1 with whatever is still open. */
  readonly stopTimeoutMs?: number;
}

/**
 * The body of every `main.ts`: config, start, wait for SIGINT or SIGTERM, stop. A second signal exits at once.
 * `--help` prints what can be set.
 * Exit codes: 0 stopped, 1 start or stop failed, 78 bad configuration, also when it is found out at start. The only reader of `process.env`.
 */
export async function runMain<Schema extends z.ZodType>(options: MainOptions<Schema>): Promise<void> {
  const { service, schema, create, stopTimeoutMs = 15_000 } = options;
  printHelpIfAsked(service, schema);
  const loaded = loadOrExit(service, schema);
  const logger = createLogger({ service, ...logSettings(loaded.config) });
  logger.info({ event: "service.configured", config: loaded.described }, "configuration");
  const signalled = firstSignal();
  try {
    const running = create(loaded.config, logger);
    const isStarted = running.start().then(() => true);
    const isStopped = signalled.then(async (signal) => {
      logger.info({ event: "service.stopping", signal }, "stopping");
      setTimeout(() => exitAfter(logger, 1, "stop took too long"), stopTimeoutMs).unref();
      await running.stop(signal);
      return false;
    });
    if (await Promise.race([isStarted, isStopped])) {
      logger.info({ event: "service.started" }, "started");
      await isStopped;
    }
    logger.info({ event: "service.stopped" }, "stopped");
    process.exit(0);
  } catch (error) {
    logger.error({ event: "service.failed", err: error, ...failureFields(error) }, "start or stop failed");
    process.stderr.write(`skrei ${service}: ${problemText(error)}\n`);
    process.exit(hasReason(error, "CONFIG_INVALID") ? 78 : 1);
  }
}

function printHelpIfAsked(service: string, schema: z.ZodType): void {
  if (!isHelpAsked(process.argv.slice(2))) return;
  process.stdout.write(configHelp(schema, service));
  process.exit(0);
}

function loadOrExit<Schema extends z.ZodType>(service: string, schema: Schema): LoadedConfig<z.output<Schema>> {
  try {
    // oxlint-disable-next-line node/no-process-env -- The one place that reads the environment; loadConfig gets it as a value.
    return loadConfig(schema, { service, env: process.env, argv: process.argv.slice(2) });
  } catch (error) {
    process.stderr.write(`skrei ${service}: ${problemText(error)}\n`);
    process.exit(78);
  }
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (++count > 1) process.exit(signal === "SIGINT" ? 130 : 143);
        resolve(signal);
      });
    }
  });
}

function exitAfter(logger: Logger, code: number, message: string): never {
  logger.error({ event: "service.stuck" }, message);
  process.exit(code);
}

/** Services may have `logLevel` and `instance` in their schema. */
function logSettings(config: unknown): { level?: "debug" | "info" | "warn" | "error"; instance?: string } {
  if (typeof config !== "object" || config === null) return {};
  const level = "logLevel" in config ? LEVELS.find((name) => name === config.logLevel) : undefined;
  const instance = "instance" in config && typeof config.instance === "string" ? config.instance : undefined;
  return { ...(level !== undefined && { level }), ...(instance !== undefined && { instance }) };
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

function failureFields(error: unknown): { reason?: string; hint?: string } {
  if (!(error instanceof DomainError)) return {};
  const hint = error.metadata["hint"];
  return { reason: error.reason, ...(hint !== undefined && { hint }) };
}

function problemText(error: unknown): string {
  if (!(error instanceof DomainError)) return error instanceof Error ? error.message : String(error);
  const lines = error.violations.map(({ field, message }) => `  ${field}: ${message}`);
  const hint = error.metadata["hint"];
  return [`${error.message} (${error.reason})`, ...lines, ...(hint === undefined ? [] : [`  hint: ${hint}`])].join("\n");
}
