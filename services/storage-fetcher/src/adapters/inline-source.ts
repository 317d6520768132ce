import { hash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import type { SourceAdapter } from "../ports.ts";

/** Bytes that the job spec carries itself. */
export const inlineSource: SourceAdapter<"inline"> = {
  keyOf: ({ dataBase64 }) => `sha256:${hash("sha256", Buffer.from(dataBase64, "base64"))}`,
  check: () => undefined,
  estimate: async ({ dataBase64 }) => Buffer.byteLength(dataBase64, "base64"),
  fetch: async ({ dataBase64 }, { path, bytesMax, onBytes }) => {
    const data = Buffer.from(dataBase64, "base64");
    if (data.length > bytesMax)
      throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `The inline input has ${data.length} bytes; ${bytesMax} are allowed.`, {
        hint: "Ask for more disk in the job's resources.",
      });
    onBytes(data.length, data.length);
    await writeFile(path, data, { flag: "wx", flush: true });
    return {
      kind: "fetched",
      digest: `sha256:${hash("sha256", data)}`,
      sizeBytes: data.length,
      validators: { etag: "", lastModified: "" },
    };
  },
};
