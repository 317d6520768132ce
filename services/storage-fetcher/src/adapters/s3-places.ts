import { isIP } from "node:net";
import { DomainError } from "@skrei/domain";
import { createS3Client, type S3Client } from "@skrei/s3/client.ts";
import type { S3Credentials } from "@skrei/s3/sign-v4.ts";
import { serverOf, type EndpointParts } from "../domain/s3-server.ts";
import type { SourceOf } from "../ports.ts";
import type { AddressPolicy } from "./address-policy.ts";

export interface S3PlacesOptions {
  /** The operator's server; empty is AWS. */
  readonly endpoint: string;
  /** For the operator's server, when a source names none. */
  readonly region: string;
  /** Used for the operator's server and `buckets` alone. */
  readonly credentials: S3Credentials | undefined;
  /** Names, or `*` for all. */
  readonly buckets: readonly string[];
  /** For the operator's server with those buckets. */
  readonly operatorPolicy: AddressPolicy;
  /** For all others. */
  readonly policy: AddressPolicy;
  readonly triesMax: number;
  readonly answerTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** Clients for the servers that sources name. */
export class S3Places implements Disposable {
  readonly #options: S3PlacesOptions;
  readonly #clients = new Map<string, S3Client>();

  constructor(options: S3PlacesOptions) {
    this.#options = options;
  }

  /** Without asking the server. @throws DomainError forbidden/SOURCE_NOT_ALLOWED, invalid/FIELD_INVALID. */
  check(source: SourceOf<"s3">): void {
    const { policy, endpoint } = this.#accessTo(source);
    const { hostname, host } = endpoint === "" ? { hostname: "", host: "" } : parseEndpoint(endpoint);
    if (isIP(hostname) !== 0) policy.check(hostname, host);
  }

  /** For as long as the places are there. @throws DomainError invalid/FIELD_INVALID. */
  clientFor(source: SourceOf<"s3">): S3Client {
    const { triesMax, answerTimeoutMs, idleTimeoutMs } = this.#options;
    const { endpoint, region, credentials, policy } = this.#accessTo(source);
    const key = JSON.stringify([endpoint, region, credentials === undefined, policy === this.#options.operatorPolicy]);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const client = createS3Client({
      ...(endpoint !== "" && { endpoint }),
      ...(region !== "" && { region }),
      ...(credentials !== undefined && { credentials }),
      addressPolicy: policy,
      triesMax,
      answerTimeoutMs,
      idleTimeoutMs,
    });
    this.#clients.set(key, client);
    // One that is forgotten may be in use; its connections close by themselves when they are idle.
    const oldest = this.#clients.keys().next();
    if (this.#clients.size > CLIENTS_MAX && oldest.done !== true) this.#clients.delete(oldest.value);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
  }

  #accessTo(source: SourceOf<"s3">): Access {
    const { endpoint, region, credentials, buckets, operatorPolicy, policy } = this.#options;
    const asked = source.endpoint === "" ? endpoint : source.endpoint;
    const isListed = buckets.includes("*") || buckets.includes(source.bucket);
    // Whatever is not the operator's is asked as anybody on the net could ask it.
    const isOperators = isSameServer(asked, endpoint);
    if (!isListed || !isOperators) {
      const anybody = { endpoint: asked, region: source.region, credentials: undefined };
      return { ...anybody, policy: isOperators ? unlisted(policy) : policy };
    }
    return { endpoint: asked, region: source.region || region, credentials, policy: operatorPolicy };
  }
}

interface Access {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials | undefined;
  readonly policy: AddressPolicy;
}

/** At the operator's own server it is the list of buckets that is in the way, not its address. */
function unlisted(policy: AddressPolicy): AddressPolicy {
  return {
    check: (address, host) => {
      try {
        policy.check(address, host);
      } catch (cause) {
        throw new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `Jobs may not read this bucket of ${host} on this node.`, {
          hint: "The node's operator lists buckets in s3Buckets.",
          cause,
        });
      }
    },
  };
}

/** Empty is AWS. */
function isSameServer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((endpoint) => serverOf(endpoint === "" ? undefined : parseEndpoint(endpoint)));
  return a === b;
}

function parseEndpoint(text: string): EndpointParts {
  const url = URL.parse(text);
  if (url === null)
    throw new DomainError("invalid", "FIELD_INVALID", `The S3 endpoint "${text.slice(0, 128)}" is not a URL.`, {
      hint: "Write it like https://s3.example.com.",
    });
  const { protocol, host, pathname } = url;
  return { protocol, host, pathname, hostname: url.hostname.replace(/^\[|\]$/gu, "") };
}

const CLIENTS_MAX = 64;
