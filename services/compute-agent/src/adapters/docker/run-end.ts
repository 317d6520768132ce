import type { ContainerInspectInfo } from "dockerode";
import type { Failure } from "@skrei/domain";
import { DomainError } from "@skrei/domain";
import type { RunEnd, RunSpec } from "../../ports.ts";
import { dockerEngine } from "./container-options.ts";
import { refusalText, statusOf } from "./engine-call.ts";

/** 128 + SIGXFSZ: a file grew beyond the limit. */
const EXIT_FILE_TOO_LARGE = 153;
const MIB = 1024 * 1024;

/** How a run ended, from the engine's record of the container and from what the agent saw. */
export function runEnd(run: RunSpec, info: ContainerInspectInfo, seen: { isOverDisk: boolean; isOutside: boolean; nowMs: number }): RunEnd {
  const { State: state } = info;
  const startedAtMs = timeOf(state.StartedAt) ?? seen.nowMs;
  return {
    exitCode: state.ExitCode,
    failure: failureOf(run, info, seen),
    startedAtMs,
    // The engine takes the start's time after the start; a task that ends at once was seen to end before it.
    endedAtMs: Math.max(startedAtMs, timeOf(state.FinishedAt) ?? seen.nowMs),
    peakMemoryBytes: 0,
    imageDigest: info.Image,
  };
}

function failureOf(
  run: RunSpec,
  { State: state }: ContainerInspectInfo,
  { isOverDisk, isOutside }: { isOverDisk: boolean; isOutside: boolean },
): Failure | undefined {
  if (isOverDisk || state.ExitCode === EXIT_FILE_TOO_LARGE) {
    const limit = mebibytes(run.limits.diskBytes);
    return {
      class: "resource",
      reason: "OUT_OF_DISK",
      message: `the task wrote more than the ${limit} it may`,
      hint: "ask for more with --disk, or write less",
    };
  }
  if (state.OOMKilled && state.ExitCode !== 0) {
    const limit = mebibytes(run.limits.memoryBytes);
    return { class: "resource", reason: "OUT_OF_MEMORY", message: `killed for memory at ${limit}`, hint: "ask for more with --memory" };
  }
  if (isOutside) {
    const message = `the Docker engine ended the task (exit code ${String(state.ExitCode)}): it was stopped or restarted, or somebody killed it there`;
    return { class: "infrastructure", reason: "ENGINE_FAILED", message, hint: "" };
  }
  return undefined;
}

/** A refusal to start, as the user's error that it mostly is. */
export function startError(run: RunSpec, error: unknown): DomainError {
  const text = refusalText(error);
  const { entrypoint, parameters, image } = dockerEngine(run);
  const program = entrypoint[0] ?? parameters[0] ?? "its own command";
  if (/executable file not found|no such file or directory/iu.test(text)) {
    return new DomainError("notFound", "COMMAND_NOT_FOUND", `image ${image} has no program "${program}" (exit 127)`, {
      cause: error,
      hint: 'check the words after "--", and that the program is in the image',
    });
  }
  if (/permission denied|exec format error|is a directory/iu.test(text)) {
    return new DomainError("invalid", "COMMAND_NOT_EXECUTABLE", `"${program}" of image ${image} cannot be executed (exit 126)`, {
      cause: error,
      hint: "check that it is an executable file for this machine",
    });
  }
  if (/no command specified/iu.test(text)) {
    return new DomainError("invalid", "COMMAND_NOT_FOUND", `image ${image} says no command of its own, and the job names none`, {
      cause: error,
      hint: 'name the program after "--"',
    });
  }
  if (statusOf(error) === 400) {
    return new DomainError("invalid", "FIELD_INVALID", `the Docker engine refuses image ${image} with these settings: ${text}`, {
      cause: error,
      hint: "check the job's working directory and targets, and what the image says of its own",
    });
  }
  return new DomainError("unavailable", "ENGINE_FAILED", `the Docker engine could not start the task: ${text}`, { cause: error });
}

function timeOf(text: string): number | undefined {
  const ms = Date.parse(text);
  // The engine writes year 1 for "never".
  return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

function mebibytes(bytes: number): string {
  return `${String(Math.round(bytes / MIB))} MiB`;
}
