import { DomainError } from "@skrei/domain";
import { checkBucket, checkKey } from "./location.ts";
import { encodeRfc3986 } from "./sign-v4.ts";

export interface EndpointOptions {
  /** `http(s)://host[:port][/path]` of any S3-compatible server; AWS's for the region by default. */
  readonly endpoint?: string;
  /** Part of every signature; `us-east-1` by default, which servers without regions accept. */
  readonly region?: string;
  /** The bucket stands in the path, not in the host. Default: yes, unless the endpoint is AWS's and the bucket is a plain label. */
  readonly pathStyle?: boolean;
}

/** Where one request goes. */
export interface Target {
  readonly isTls: boolean;
  /** A name or an address, without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** As the `host` header says it. */
  readonly host: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
}

export interface Endpoint {
  readonly region: string;
  /** @throws DomainError invalid/FIELD_INVALID for a bucket or key that S3 does not know. */
  target(bucket: string, key: string | undefined): Target;
}

/** @throws DomainError invalid/FIELD_INVALID when `endpoint` is no plain http or https URL. */
export function createEndpoint({ endpoint, region = "us-east-1", pathStyle }: EndpointOptions): Endpoint {
  if (!/^[a-z0-9-]{1,64}$/iu.test(region)) throw invalid(`"${region.slice(0, 64)}" is not a region`);
  const url = parseEndpoint(endpoint ?? awsEndpoint(region));
  const isTls = url.protocol === "https:";
  const defaultPort = isTls ? 443 : 80;
  const port = url.port === "" ? defaultPort : Number(url.port);
  const bareHost = url.hostname.replace(/^\[|\]$/gu, "");
  const base = url.pathname.replace(/\/+$/u, "");
  return {
    region,
    target: (bucket, key) => {
      checkBucket(bucket);
      const keyPath = key === undefined ? "" : encodeKey(key);
      if (!isInHost(bucket, url.hostname, pathStyle))
        return { isTls, hostname: bareHost, port, host: url.host, path: `${base}/${bucket}/${keyPath}` };
      if (!DNS_NAME.test(bucket)) throw invalid(`the bucket "${bucket}" cannot stand in a host name`);
      return { isTls, hostname: `${bucket}.${bareHost}`, port, host: `${bucket}.${url.host}`, path: `${base}/${keyPath}` };
    },
  };
}

function parseEndpoint(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/u.test(url.protocol) || url.search !== "" || url.hash !== "")
    throw invalid(`"${text.slice(0, 128)}" is not an http or https URL`);
  if (url.username !== "" || url.password !== "") throw invalid("the endpoint carries credentials");
  return url;
}

function isInHost(bucket: string, hostname: string, pathStyle: boolean | undefined): boolean {
  if (pathStyle !== undefined) return !pathStyle;
  // A wildcard certificate covers one label, so dots in a bucket need the path style over TLS.
  return /(^|\.)amazonaws\.com(\.cn)?$/u.test(hostname) && DNS_LABEL.test(bucket);
}

/** Segment by segment, so that `a/../b` and `//` arrive as they are: S3 normalises nothing. */
function encodeKey(key: string): string {
  checkKey(key);
  return key.split("/").map(encodeRfc3986).join("/");
}

function awsEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

function invalid(what: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The S3 endpoint is wrong: ${what}.`, {
    hint: "Write it like https://s3.example.com or http://10.0.0.5:9000, without credentials or query.",
  });
}

const DNS_LABEL = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/u;
const DNS_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/u;
