import { validateHeaderName, validateHeaderValue } from "node:http";
import { HttpProblem } from "./http-problem.ts";

export type HeaderLine = readonly [name: string, value: string];

/** Reads a guest's `name: value` lines; those that belong to the connection are left out. @throws HttpProblem badInput. */
export function parseHeaderLines(text: string): readonly HeaderLine[] {
  const lines = text.split("\n").map((line) => line.trim());
  const headers = lines.filter((line) => line !== "").map(parseLine);
  if (headers.length > HEADERS_MAX)
    throw new HttpProblem("badInput", `the request has ${headers.length} headers; at most ${HEADERS_MAX} are sent`);
  return headers.filter(([name]) => !isOfConnection(name) && !REQUEST_HEADERS.has(name.toLowerCase()));
}

/** `name: value` lines of what Node read, in the order and spelling of the origin; those of the connection are left out. */
export function formatHeaderLines(rawHeaders: readonly string[]): string {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = rawHeaders.slice(i, i + 2);
    if (!isOfConnection(name)) lines.push(`${name}: ${value}`);
  }
  return lines.join("\n");
}

function parseLine(line: string): HeaderLine {
  const colon = line.indexOf(":");
  const header: HeaderLine = [line.slice(0, Math.max(colon, 0)).trimEnd(), line.slice(colon + 1).trim()];
  try {
    validateHeaderName(header[0]);
    validateHeaderValue(...header);
  } catch (error) {
    throw new HttpProblem("badInput", "a line of the request's headers is no `name: value`", { cause: error });
  }
  return header;
}

function isOfConnection(name: string): boolean {
  const known = name.toLowerCase();
  return CONNECTION_HEADERS.has(known) || known.startsWith("proxy-");
}

const HEADERS_MAX = 256;
const CONNECTION_HEADERS = new Set(["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]);
/** Follow from the URL and the body. */
const REQUEST_HEADERS = new Set(["content-length", "expect", "host"]);
