import type { DomainError } from "@skrei/domain";
import { cleanLine } from "./clean-text.ts";
import type { Output } from "./terminal.ts";

/** `error` what happened, `why` the cause, the code, and last, where the eye lands, `fix`. All of it may come from elsewhere. */
export function renderError(error: DomainError, output: Output): readonly string[] {
  const { hint, requestId, candidates, ...metadata } = error.metadata;
  const lines = [`${output.style(["red", "bold"], "error:")} ${sentence(error.message)}`];
  for (const { field, message } of error.violations) lines.push(`  also: ${cleanLine(`${field} ${message}`)}`);
  if (error.violations.length > 0) lines[1] = (lines[1] ?? "").replace("  also:", "   why:");
  if (candidates !== undefined) lines.push(`   why: candidates ${cleanLine(candidates)}`);
  for (const why of causes(error)) lines.push(`   why: ${why}`);
  const extra = Object.entries(metadata).filter(([key]) => key === "reason" || key === "state");
  const details = [
    ...extra.map(([key, value]) => `${key} ${cleanLine(value)}`),
    ...(requestId === undefined ? [] : [`request ${cleanLine(requestId)}`]),
  ];
  lines.push(output.style("dim", `  code: ${[error.reason, ...details].join(" · ")}`));
  if (hint !== undefined && hint !== "") lines.push(`   ${output.style("green", "fix:")} ${cleanLine(hint)}`);
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

function sentence(message: string): string {
  return cleanLine(message).replace(/\.$/u, "");
}
