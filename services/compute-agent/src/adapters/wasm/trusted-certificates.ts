import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";

/** The certificates that this machine trusts, and `extra`; read at the first use, and once each, as that takes a moment. */
export function trustedCertificates(extra: readonly string[]): () => SecureContext {
  let context: SecureContext | undefined;
  return () => (context ??= createSecureContext({ ca: [...new Set([...getCACertificates("system"), ...extra])] }));
}
