import { DomainError, parseReason } from "@skrei/domain";
import type { Reason, Violation } from "@skrei/domain";
import type { Position } from "./yaml-document.ts";

export interface Problem extends Position {
  readonly message: string;
  readonly reason: Reason;
}

/** A field of the file under the name that it has there. */
interface KnownField {
  readonly position: Position;
  readonly name: string;
}

/** All problems of one file, and where each field of the spec stands in it. */
export class JobFileReport {
  readonly #fileName: string;
  readonly #problems: Problem[] = [];
  readonly #fields = new Map<string, KnownField>();
  readonly #origins = new WeakMap<object, KnownField>();
  readonly #notes: string[] = [];

  constructor(fileName: string) {
    this.#fileName = fileName;
  }

  get isClean(): boolean {
    return this.#problems.length === 0;
  }

  /** What was changed to make the file fit, for people. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  note(position: Position, text: string): void {
    this.#notes.push(`${this.#place(position)} ${text}`);
  }

  add(position: Position, reason: Reason, text: string): void {
    const message = text.replace(/\?\.$/u, "?");
    if (this.#problems.some((known) => known.line === position.line && known.column === position.column && known.message === message))
      return;
    this.#problems.push({ ...position, reason, message });
  }

  /** A refusal of a parser, at a place of the file. */
  addError({ position, name }: KnownField, error: unknown): void {
    if (!(error instanceof DomainError)) throw error;
    // A feature that is not offered names itself.
    const message = error.reason === "FEATURE_NOT_AVAILABLE" ? error.message : `${name}: ${error.message}`;
    const hint = error.metadata["hint"];
    this.add(position, error.reason, hint === undefined ? message : `${message} ${hint}`);
  }

  remember(specPath: string, field: KnownField): void {
    this.#fields.set(canonical(specPath), field);
  }

  /** Notes which field a value was made from. */
  rememberOrigin(value: object, field: KnownField): void {
    this.#origins.set(value, field);
  }

  /** A refusal of a value at the place of the field that it was made from; as it is when it is not of this file. */
  locatedAt(value: object, error: unknown): unknown {
    const field = this.#origins.get(value);
    if (field === undefined || !(error instanceof DomainError) || error.kind !== "invalid" || error.violations.length > 0) return error;
    const { message, reason, metadata } = error;
    const violation = { field: this.#place(field.position), message: `${field.name}: ${message}`, reason };
    return specInvalid(this.#fileName, [violation], metadata["hint"]);
  }

  /** A field of the spec, or the nearest field around it. */
  #find(specPath: string): KnownField | undefined {
    for (let path = canonical(specPath); path !== ""; path = parent(path)) {
      const field = this.#fields.get(path);
      if (field !== undefined) return field;
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
      error.violations.map((violation) => {
        const field = this.#find(violation.field);
        if (field === undefined) return violation;
        return { ...violation, field: this.#place(field.position), message: `${field.name}: ${violation.message}` };
      }),
    );
  }

  #place({ line, column }: Position): string {
    return `${this.#fileName}:${line}:${column}`;
  }
}

function specInvalid(fileName: string, violations: readonly Violation[], hint?: string): DomainError {
  const count = violations.length === 1 ? "1 problem" : `${violations.length} problems`;
  const onlyReason =
    violations.length > 0 && violations.every(({ reason }) => reason === "FEATURE_NOT_AVAILABLE")
      ? "FEATURE_NOT_AVAILABLE"
      : "SPEC_INVALID";
  return new DomainError("invalid", parseReason(onlyReason) ?? "SPEC_INVALID", `${fileName} has ${count}.`, {
    violations,
    ...(hint !== undefined && { hint }),
  });
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
