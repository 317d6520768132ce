import type { IncomingMessage } from "node:http";

/**
 * Why the head of an answer is not passed on; undefined when it is. What the parser let through is read strictly here: an encoding
 * that is not undone must not lose its name, and a switch of protocols is none that the task asked for.
 */
export function answerProblem({ statusCode = 0, statusMessage = "", httpVersion, rawHeaders }: IncomingMessage): string | undefined {
  if (statusCode < 200 || statusCode > 999) return "an answer without a final status";
  if (!/^[\t\x20-\x7e\x80-\xff]*$/u.test(statusMessage)) return "an answer whose first line is no text";
  const encodings = encodingsOf(rawHeaders);
  const isPlain = encodings.length === 0 || (httpVersion === "1.1" && encodings.join().toLowerCase() === "chunked");
  return isPlain ? undefined : "an answer in a transfer encoding other than chunked";
}

function encodingsOf(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "transfer-encoding");
}
