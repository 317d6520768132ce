import { z } from "zod";

/** A boolean that may also be written true, false, 1, 0, yes, no, on, off. (`z.coerce.boolean()` would take "false" for true.) */
export function flagField(): z.ZodType<boolean, boolean | string> {
  return z.union([z.boolean(), z.stringbool()], { error: "must be true or false" });
}

/** A list that may also be written `a,b,c`; the empty text is the empty list. */
export function listField<Item extends z.ZodType>(item: Item): z.ZodType<z.output<Item>[], unknown> {
  return z.preprocess((value) => (typeof value === "string" ? splitList(value) : value), z.array(item)) as never;
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Log level, with "info" as the default. */
export const logLevelField = z.enum(["debug", "info", "warn", "error"]).default("info").describe("least important lines that are logged");

/** A TCP port; 0 picks a free one. */
export function portField(): z.ZodCoercedNumber {
  return z.coerce.number().int().min(0).max(65_535);
}
