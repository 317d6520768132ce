import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { Agent as HttpAgent, type ClientRequest, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { getCACertificates } from "node:tls";
import { divertBody, withDirectBodies } from "@skrei/platform/direct-body.ts";
import type { Target } from "./endpoint.ts";

/** Which addresses may be dialled; the storage-fetcher's address policy is one. */
export interface AddressPolicy {
  /** Throws, best a DomainError, when `address` may not be dialled; `host` is for the message. */
  check(address: string, host: string): void;
}

export interface TransportOptions {
  /** Asked about a literal, about every result of a look-up, and about the peer that was reached. Default: everything is allowed. */
  readonly addressPolicy?: AddressPolicy;
  /** Resolves names in place of the system's resolver; its results go through the policy as well. */
  readonly lookup?: LookupFunction;
  /** Connections at once, a download that is not read to its end among them; further requests wait for one. Default 64. */
  readonly connectionsMax?: number;
  /** PEM of an authority to trust beside the usual ones. */
  readonly authority?: string;
}

/** Opens requests on connections of its own; bodies and answers are the caller's. */
export interface Transport extends Disposable {
  /** The request's headers are not sent before the first byte of its body or `end()`. */
  open(target: Target, request: OpenedRequest): ClientRequest;
}

export interface OpenedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A large body will be had by `directBodyOf` alone. */
  readonly isDiverted: boolean;
}

/** Kept connections belong to this transport alone and end with it. */
export function createTransport(options: TransportOptions): Transport {
  const { connectionsMax = 64, authority } = options;
  const shared = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: connectionsMax, timeout: KEEP_IDLE_MS };
  const httpAgent = withDirectBodies(new HttpAgent(shared));
  const ca = authority === undefined ? {} : { ca: [...getCACertificates("default"), authority] };
  const httpsAgent = withDirectBodies(new HttpsAgent({ ...shared, ...ca }));
  return {
    open: (target, { method, path, headers, isDiverted }) => {
      const { addressPolicy: policy } = options;
      // A look-up is never made for a literal, so it is checked here.
      if (isIP(target.hostname) !== 0) policy?.check(target.hostname, target.host);
      const send = target.isTls ? httpsRequest : httpRequest;
      const request = send({
        host: target.hostname,
        port: target.port,
        method,
        path,
        headers,
        agent: target.isTls ? httpsAgent : httpAgent,
        lookup: guardedLookup(options, target.host),
      });
      if (policy !== undefined) checkPeer(request, policy, target.host);
      if (isDiverted) divertBody(request, DIVERTED_BYTES_MIN);
      return request;
    },
    [Symbol.dispose]: () => {
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

/** Fails when any address of the name is refused: a name that leads inside as well is not worth a try. */
function guardedLookup({ addressPolicy, lookup }: TransportOptions, host: string): LookupFunction {
  return (name, options, done) => {
    const resolve = (lookup ?? dnsLookup) as typeof dnsLookup;
    resolve(name, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return done(error, "", 0);
      try {
        for (const { address } of addresses) addressPolicy?.check(address, host);
      } catch (refusal) {
        return done(refusal as Error, "", 0);
      }
      const [first] = addresses;
      if (options.all === true) return done(null, addresses);
      return done(null, first?.address ?? "", first?.family ?? 0);
    });
  };
}

function checkPeer(request: ClientRequest, policy: AddressPolicy, host: string): void {
  request.once("socket", (socket) => {
    if (!socket.connecting) return; // Checked when it connected.
    socket.once("connect", () => {
      try {
        policy.check(socket.remoteAddress ?? "", host);
      } catch (refusal) {
        socket.destroy(refusal as Error);
      }
    });
  });
}

/** Servers close idle connections after 5 to 60 s; whoever closes first avoids a request into a closed one. */
const KEEP_IDLE_MS = 4_000;
/** A diverted body costs its connection. */
const DIVERTED_BYTES_MIN = 1_048_576;
