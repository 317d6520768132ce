import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";

/**
 * The certificates that this machine trusts, and `extra`; read at the first use, and once each, as that takes a moment. A slim
 * container image has none of its own: there it is Node's list.
 */
export function trustedCertificates(extra: readonly string[]): () => SecureContext {
  let context: SecureContext | undefined;
  return () => (context ??= createSecureContext({ ca: [...new Set([...ofThisMachine(), ...extra])] }));
}

function ofThisMachine(): readonly string[] {
  const ofSystem = getCACertificates("system");
  return ofSystem.length > 0 ? ofSystem : getCACertificates("bundled");
}
