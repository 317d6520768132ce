import { DomainError } from "@skrei/domain";
import { parseCid } from "@skrei/unixfs/cid.ts";

/** What a command about data is given: a root by content id or by the name of its pin, and a path below it. */
export interface DataReference {
  readonly root: { readonly cid: string } | { readonly name: string };
  readonly path: readonly string[];
}

const PREFIX = /^(?:cid:|ipfs:\/\/|\/ipfs\/)/u;
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?$/u;

/** `CID`, `cid:CID/path`, `ipfs://CID/path`, `/ipfs/CID/path`, `NAME/path`. @throws DomainError invalid/FIELD_INVALID. */
export function parseDataReference(text: string): DataReference {
  const [root = "", ...path] = text.replace(PREFIX, "").split("/");
  const names = path.filter((name) => name !== "" && name !== ".");
  if (names.includes(".."))
    throw new DomainError("invalid", "FIELD_INVALID", `The path of "${text}" leads up; a path below a root never does.`, {
      hint: "Leave out the .. parts.",
    });
  const cid = tryCid(root);
  if (cid !== undefined) return { root: { cid }, path: names };
  if (!PREFIX.test(text) && NAME.test(root)) return { root: { name: root }, path: names };
  throw new DomainError("invalid", "FIELD_INVALID", `"${text}" is neither a content id nor the name of kept data.`, {
    hint: "List what is kept: skrei data ls.",
  });
}

/** A name for a pin. @throws DomainError invalid/FIELD_INVALID. */
export function parsePinName(text: string): string {
  if (NAME.test(text) && tryCid(text) === undefined) return text;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `"${text}" is no name for data: 1 to 63 lower-case letters, digits, dashes and dots, a letter or digit at both ends.`,
    { hint: "For example --name corpus-2026." },
  );
}

/** Content ids of version 0 are those of version 1 in another form. */
function tryCid(text: string): string | undefined {
  try {
    return parseCid(text).toString();
  } catch {
    // The caller takes it for a name.
    return undefined;
  }
}
