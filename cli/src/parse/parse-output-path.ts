import { DomainError } from "@skrei/domain";
import { badValue } from "./bad-value.ts";

export interface OutputArgument {
  readonly name: string;
  readonly path: string;
}

/** What -o takes at the commands that list and describe. */
const FORMATS: ReadonlySet<string> = new Set(["json", "jsonl", "yaml", "table", "wide", "name"]);

/** `name:/path`, or `/path`, whose last part becomes the name. */
export function parseOutputPath(text: string): OutputArgument {
  const at = text.indexOf(":");
  const path = at === -1 ? text : text.slice(at + 1);
  const name = at === -1 ? (path.split("/").findLast((part) => part !== "") ?? "") : text.slice(0, at);
  if (FORMATS.has(text))
    throw new DomainError("invalid", "FIELD_INVALID", `"${text}" is not an output such as outputs:/outputs, which -o names here.`, {
      hint: `For the job as data: skrei run -d, then skrei job describe ID -o ${text}.`,
    });
  if (name === "" || !path.startsWith("/") || path === "/")
    throw badValue(text, "an output such as outputs:/outputs (name:/absolute/path)");
  return { name, path };
}
