import { DomainError } from "@skrei/domain";
import { LineCounter, parseDocument, visit } from "yaml";
import type { Document } from "yaml";

/** Far more than a spec may have (256 KiB), so that nothing valid is refused here. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Aliases are resolved in place; a few thousand repeated ones could make a small file huge. */
const ALIASES_MAX = 100;

export interface Position {
  readonly line: number;
  readonly column: number;
}

interface YamlProblem extends Position {
  readonly message: string;
}

export interface YamlSource {
  readonly document: Document;
  readonly problems: readonly YamlProblem[];
  positionAt(offset: number): Position;
}

/** Parses YAML or JSON (a subset of YAML 1.2), keeping positions. Syntax errors are returned, not thrown. */
export function parseYaml(text: string, fileName: string): YamlSource {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > FILE_BYTES_MAX) throw refused(fileName, `it has ${sizeBytes} bytes; at most ${FILE_BYTES_MAX} are read`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, stringKeys: false });
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  let aliases = 0;
  visit(document, {
    Alias() {
      aliases++;
    },
  });
  if (aliases > ALIASES_MAX) throw refused(fileName, `it has ${aliases} aliases; at most ${ALIASES_MAX} are resolved`);
  const problems = document.errors.map((error) => ({ ...positionAt(error.pos[0]), message: sentence(error.message) }));
  return { document, problems, positionAt };
}

function refused(fileName: string, why: string): DomainError {
  return new DomainError("invalid", "SPEC_INVALID", `${fileName} is not read: ${why}.`, {
    hint: "Is it a job file? Larger data belongs into an input, such as a source of type upload.",
  });
}

function sentence(message: string): string {
  const [first = message] = message.split("\n");
  return first.endsWith(".") ? first : `${first}.`;
}
