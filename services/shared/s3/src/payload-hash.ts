import { createHash } from "node:crypto";
import type { ObjectBody } from "./exchange.ts";

/** Lower-case hex of the body's SHA-256; a body that is not in memory is read through. */
export async function payloadHashOf(body: Uint8Array | ObjectBody | undefined): Promise<string> {
  const hash = createHash("sha256");
  if (body instanceof Uint8Array) hash.update(body);
  else if (body !== undefined) for await (const piece of body.open()) hash.update(piece);
  return hash.digest("hex");
}
