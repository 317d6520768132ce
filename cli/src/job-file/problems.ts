import { DomainError, parseReason } from "@skrei/domain";
import type { Reason, Violation } from "@skrei/domain";
import type { Position } from "./yaml-document.ts";

export interface Problem extends Position {
  readonly message: string;
  readonly reason: Reason;
}

/** All problems of one file, and where each field of the spec stands in it. */
export class JobFileReport {
  readonly #fileName: string;
  readonly #problems: Problem[] = [];
  readonly #positions = new Map<string, Position>();

  constructor(fileName: string) {
    this.#fileName = fileName;
  }

  get isClean(): boolean {
    return this.#problems.length === 0;
  }

  add(position: Position, reason: Reason, message: string): void {
    if (this.#problems.some((known) => known.line === position.line && known.column === position.column && known.message === message))
      return;
    this.#problems.push({ ...position, reason, message });
  }

  /** A refusal of a parser, at a place of the file. */
  addError(position: Position, error: unknown): void {
    if (!(error instanceof DomainError)) throw error;
    const hint = error.metadata["hint"];
    this.add(position, error.reason, hint === undefined ? error.message : `${error.message} ${hint}`);
  }

  remember(specPath: string, position: Position): void {
    this.#positions.set(canonical(specPath), position);
  }

  /** `job.yaml:14:5` of a field of the spec or of the nearest field around it. */
  locate(specPath: string): string | undefined {
    for (let path = canonical(specPath); path !== ""; path = parent(path)) {
      const position = this.#positions.get(path);
      if (position !== undefined) return this.#place(position);
    }
    return undefined;
  }

  /** All problems at once, in the order of the file. */
  toError(): DomainError {
    const sorted = this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const violations = sorted.map((problem) => ({ field: this.#place(problem), message: problem.message, reason: problem.reason }));
    return specInvalid(this.#fileName, violations);
  }

  /** The server's refusal with the places of this file instead of field paths. */
  located(error: DomainError): DomainError {
    if (error.violations.length === 0) return error;
    return specInvalid(
      this.#fileName,
      error.violations.map((violation) => ({ ...violation, field: this.locate(violation.field) ?? violation.field })),
    );
  }

  #place({ line, column }: Position): string {
    return `${this.#fileName}:${line}:${column}`;
  }
}

function specInvalid(fileName: string, violations: readonly Violation[]): DomainError {
  const count = violations.length === 1 ? "1 problem" : `${violations.length} problems`;
  const onlyReason =
    violations.length > 0 && violations.every(({ reason }) => reason === "FEATURE_NOT_AVAILABLE")
      ? "FEATURE_NOT_AVAILABLE"
      : "SPEC_INVALID";
  return new DomainError("invalid", parseReason(onlyReason) ?? "SPEC_INVALID", `${fileName} has ${count}.`, { violations });
}

/** One spelling for `tasks[0].Engine.Params.Image`, `task.docker.image` and `task.engine.image`. */
function canonical(specPath: string): string {
  return specPath
    .toLowerCase()
    .replaceAll(/[_-]/gu, "")
    .replace(/^(?:spec|job)\./u, "")
    .replace(/^tasks\[0\]/u, "task")
    .replace(/^task\.(?:docker|wasm)\b/u, "task.engine")
    .replaceAll(".params.", ".")
    .replace(/\binputsources\b/u, "inputs")
    .replace(/\bresultpaths\b/u, "outputs");
}

function parent(path: string): string {
  const at = Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
  return at <= 0 ? "" : path.slice(0, at);
}
