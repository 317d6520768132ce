import { badValue } from "./bad-value.ts";

export interface OutputArgument {
  readonly name: string;
  readonly path: string;
}

/** `name:/path`, or `/path`, whose last part becomes the name. */
export function parseOutputPath(text: string): OutputArgument {
  const at = text.indexOf(":");
  const path = at === -1 ? text : text.slice(at + 1);
  const name = at === -1 ? (path.split("/").findLast((part) => part !== "") ?? "") : text.slice(0, at);
  if (name === "" || !path.startsWith("/") || path === "/")
    throw badValue(text, "an output such as outputs:/outputs (name:/absolute/path)");
  return { name, path };
}
