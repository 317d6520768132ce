import type { Constraint } from "@skrei/domain";
import { badValue } from "./bad-value.ts";

const KEY = "[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?";
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`, "u");
const COMPARE = new RegExp(`^(${KEY})\\s*(==|=|!=|>|<)\\s*([^\\s=<>!()]*)$`, "u");
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`, "u");
const COMPARISONS: Readonly<Record<string, Constraint["operator"]>> = { "=": "=", "==": "=", "!=": "!=", ">": "gt", "<": "lt" };

/** Kubernetes' label selector grammar: `zone=b,disk!=hdd,region in (eu-1, eu-2),gpu,!old,cores>4`. */
export function parseConstraints(text: string): readonly Constraint[] {
  return splitOutsideParentheses(text).map(parseConstraint);
}

function parseConstraint(text: string): Constraint {
  const found = parseSet(text) ?? parseComparison(text) ?? parsePresence(text);
  if (found !== undefined) return found;
  throw badValue(text, "a constraint such as zone=b, disk!=hdd, region in (eu-1,eu-2), gpu, !old or cores>4");
}

function parseSet(text: string): Constraint | undefined {
  const [, key, operator, list] = SET.exec(text) ?? [];
  if (key === undefined || list === undefined) return undefined;
  const values = list.split(",").map((value) => value.trim());
  if (values.includes("")) throw badValue(text, "a constraint: the list has an empty value");
  return { key, operator: operator === "in" ? "in" : "notin", values };
}

function parseComparison(text: string): Constraint | undefined {
  const [, key, sign = "", value] = COMPARE.exec(text) ?? [];
  const operator = COMPARISONS[sign];
  if (key === undefined || value === undefined || operator === undefined) return undefined;
  const isOrdered = operator === "gt" || operator === "lt";
  if (isOrdered && !/^-?\d+$/u.test(value)) throw badValue(text, "a constraint: > and < compare whole numbers");
  return { key, operator, values: [value] };
}

function parsePresence(text: string): Constraint | undefined {
  const [, not, key] = EXISTS.exec(text) ?? [];
  return key === undefined ? undefined : { key, operator: not === "!" ? "!" : "exists", values: [] };
}

function splitOutsideParentheses(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const letter = text[i];
    if (letter === "(") depth++;
    if (letter === ")") depth--;
    if (letter !== undefined && (letter !== "," || depth > 0)) continue;
    parts.push(text.slice(start, i).trim());
    start = i + 1;
  }
  return parts;
}
