/** An endpoint as a URL has it. */
export interface EndpointParts {
  readonly protocol: string;
  /** Without the port. */
  readonly hostname: string;
  /** With the port, unless it is the protocol's own. */
  readonly host: string;
  readonly pathname: string;
}

/**
 * What two endpoints share when they are one server, to which credentials of the one may go at the other. S3 of AWS over TLS is one, by
 * whatever region; other hosts of AWS are not, since anybody may have a program of their own answer there, nor are endpoints that name a
 * bucket, since another bucket than the checked one would be asked. Undefined is AWS.
 */
export function serverOf(endpoint: EndpointParts | undefined): string {
  if (endpoint === undefined) return AWS;
  const { protocol, hostname, host, pathname } = endpoint;
  const isAws = protocol === "https:" && host === hostname && pathname === "/" && AWS_HOST.test(hostname);
  return isAws ? AWS : `${protocol}//${host}${pathname.replace(/\/+$/u, "")}`;
}

const AWS = "aws";
/** https://docs.aws.amazon.com/general/latest/gr/s3.html */
const AWS_HOST = /^s3(?:-fips)?(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?$/u;
