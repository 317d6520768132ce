/** What went wrong with a connection, in words, with the system's code: `the connection was refused (ECONNREFUSED)`. */
export function connectionWords(error: unknown): string {
  const code = systemCodeOf(error);
  if (code === undefined) return error instanceof Error && error.message !== "" ? error.message.slice(0, WORDS_CHARS_MAX) : "unknown";
  return `${WORDS[code] ?? "the connection failed"} (${code})`;
}

/** The first code in the chain of causes, such as `ECONNREFUSED`. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < CAUSES_MAX; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code;
    // Node tries several addresses of a name; all failures are in one error.
    current = current instanceof AggregateError ? current.errors[0] : current.cause;
  }
  return undefined;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was cut by the other side",
  EPIPE: "the connection was cut by the other side",
  ENOTFOUND: "the name was not found",
  EAI_AGAIN: "the name could not be looked up",
  ETIMEDOUT: "the connection timed out",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  CERT_HAS_EXPIRED: "the certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate is signed by itself",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is not trusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name",
  EPROTO: "the other side does not speak TLS",
};

const CAUSES_MAX = 8;
const WORDS_CHARS_MAX = 200;
