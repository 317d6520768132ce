import { badValue } from "./bad-value.ts";

/** Lower-case hex of a SHA-256 in hex, or in base64 as S3 writes it. */
export function parseSha256(text: string): string {
  if (/^[0-9a-f]{64}$/iu.test(text)) return text.toLowerCase();
  if (/^[A-Za-z0-9+/]{43}=$/u.test(text)) return Buffer.from(text, "base64").toString("hex");
  throw badValue(text, "a SHA-256: 64 digits of hex, or base64");
}
