import { DomainError, LIMITS } from "@skrei/domain";
import { refuseFeature } from "../parse/refused-features.ts";

const FORM = /^data:([^,]*?)(;base64)?,(.*)$/su;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/u;

/** The bytes of an RFC 2397 data URL. */
export function decodeDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const [, mediaType, base64, body] = FORM.exec(url) ?? [];
  if (mediaType === undefined || body === undefined) throw badUrl("an inline source needs a data URL such as data:text/plain,hello");
  if (/gzip/iu.test(mediaType)) throw refuseFeature("Inline archives (gzip) are", "Use a source of type upload with the folder's Path.");
  const data = base64 === undefined ? Uint8Array.from(Buffer.from(percentDecoded(body), "utf8")) : base64Decoded(body);
  if (data.length > LIMITS.inlineBytesMax) {
    throw badUrl(
      `the inline data has ${data.length} bytes; at most ${LIMITS.inlineBytesMax} are carried by a spec. Use a source of type upload`,
    );
  }
  return data;
}

function percentDecoded(body: string): string {
  try {
    return decodeURIComponent(body);
  } catch {
    throw badUrl("the data URL has a % that is not followed by two hex digits");
  }
}

function base64Decoded(body: string): Uint8Array<ArrayBuffer> {
  const plain = percentDecoded(body).replaceAll(/\s/gu, "");
  if (!BASE64.test(plain)) throw badUrl("the data URL's base64 is malformed");
  return Uint8Array.from(Buffer.from(plain, "base64"));
}

function badUrl(message: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `${message}.`);
}
