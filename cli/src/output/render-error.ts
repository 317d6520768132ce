import type { DomainError } from "@skrei/domain";
import { cleanLine } from "./clean-text.ts";
import type { Output } from "./terminal.ts";

/** `error` what happened, `why` the cause, the code, and last, where the eye lands, `fix`. All of it may come from elsewhere. */
export function renderError(error: DomainError, output: Output): readonly string[] {
  const { hint, requestId, candidates, ...metadata } = error.metadata;
  const lines = [`${output.style(["red", "bold"], "error:")} ${sentence(error.message)}`];
  const whys = error.violations.map(({ field, message }) => cleanLine(`${field} ${message}`));
  if (candidates !== undefined && candidates !== "") whys.push(`candidates ${cleanLine(candidates)}`);
  whys.push(...causes(error));
  const told = comparable(error.message);
  const isNew = (why: string): boolean => !told.includes(comparable(why));
  lines.push(
    ...whys.filter(isNew).map((why, index) => `${index === 0 || index >= error.violations.length ? "   why:" : "  also:"} ${why}`),
  );
  const extra = Object.entries(metadata).filter(([key]) => key === "reason" || key === "state");
  const details = [
    ...extra.map(([key, value]) => `${key} ${cleanLine(value)}`),
    ...(requestId === undefined ? [] : [`request ${cleanLine(requestId)}`]),
  ];
  lines.push(output.style("dim", `  code: ${[error.reason, ...details].join(" · ")}`));
  if (hint !== undefined && hint !== "") lines.push(`   ${output.style("green", "fix:")} ${advice(hint)}`);
  return lines;
}

function causes(error: DomainError): readonly string[] {
  const why = error.cause instanceof Error ? nodeMessage(error.cause) : undefined;
  return why === undefined ? [] : [why];
}

/** Only what the operating system says (such as ENOENT); a library's words help nobody. */
function nodeMessage(cause: Error): string | undefined {
  return "syscall" in cause ? cleanLine(cause.message) : undefined;
}

/** A message as every error line has it: it begins with a capital, unless a name or a path stands there, and has no full stop. */
export function sentence(message: string): string {
  return capitalized(cleanLine(message).replace(/\?\.$/u, "?").replace(/\.$/u, ""));
}

/** What to do next, which may be a command. */
export function advice(hint: string): string {
  return capitalized(cleanLine(hint));
}

function capitalized(text: string): string {
  return /^(?!skrei )[a-z]+(?:'[a-z]+)?[ ,]/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

/** Without what differs between two ways to say the same. */
function comparable(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, " ")
    .trim();
}
