import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DomainError } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";

const EXAMPLES_FOLDER = fileURLToPath(new URL("../../../examples", import.meta.url));

/** The job file of an example of the repository. */
export function findExample(name: string): string {
  const names = readdirSync(EXAMPLES_FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  if (names.includes(name)) return join(EXAMPLES_FOLDER, name, "job.yaml");
  throw new DomainError("invalid", "FIELD_INVALID", `There is no example "${name}"${suggestion(name, names)}.`, {
    hint: `Examples: ${names.join(", ")}.`,
  });
}
