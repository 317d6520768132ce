import { canonicalAddress, canonicalHost, parseAddressNetwork, parseHostRule, quote } from "@skrei/domain";
import { listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { isIP } from "node:net";
import { z } from "zod";
import { parseRate, parseSize } from "./domain/parse-amount.ts";

const milliseconds = (): z.ZodCoercedNumber => z.coerce.number().int().min(1).max(DELAY_MS_MAX);
const limit = (): z.ZodCoercedNumber => z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** Longer delays overflow timers. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** A number, or a text with a unit. */
function amount(parse: (text: string) => number | undefined, allowed: string): z.ZodType<number, unknown> {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const found = typeof value === "string" ? parse(value) : value;
    if (found !== undefined && found >= 0 && Number.isSafeInteger(found)) return found;
    context.addIssue({ code: "custom", message: `found ${quote(value)}; allowed: ${allowed}` });
    return z.NEVER;
  });
}

const size = amount(parseSize, "a size such as 10MB, 1GiB or 4096");
const rate = amount(parseRate, "bits per second such as 10Mbit, 1.5Gbit or 64000");

const hostRule = z.string().superRefine((text, context) => {
  const problem = problemOfRule(text);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `${quote(text)} is no rule; ${problem}` });
});

function problemOfRule(text: string): string | undefined {
  const above = canonicalHost(text.replace(/^\*\./u, ""));
  if (text.startsWith("*.") && above?.kind === "name") return `write ${quote(`.${above.host}`)} for the name and all below it`;
  try {
    parseHostRule(text);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.slice(message.indexOf("allowed:"));
  }
}

const network = z.string().superRefine((text, context) => {
  if (parseAddressNetwork(text) !== undefined) return;
  const address = canonicalAddress(text);
  const problem = address === undefined ? "is no network; write one such as 10.1.0.0/16" : `is an address; write ${single(address)}`;
  context.addIssue({ code: "custom", message: `${quote(text)} ${problem}` });
});

function single(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

const dnsServer = z.string().superRefine((text, context) => {
  if (isDnsServer(text)) return;
  const message = `${quote(text)} is no name server; write an address such as 10.1.0.53, 10.1.0.53:5353 or [fd00::53]:53`;
  context.addIssue({ code: "custom", message });
});

/** What the operator permits: settings of the service, or, when `policyFile` is set, keys of that file. */
export const POLICY_FIELDS = {
  modes: listField(z.enum(["none", "http", "full"]))
    .refine((modes) => modes.length > 0, { error: "must name at least one mode" })
    .default(["none"])
    .describe("network modes that tasks may ask for on this node: http, full; none always is one"),
  domains: listField(hostRule)
    .default([])
    .describe("names that tasks in mode http may list: `example.com` that name, `.example.com` it and all below, `*` any public name"),
  ports: listField(portField().min(1)).default([80, 443]).describe("ports of origins that tasks may reach"),
  allowedNetworks: listField(network)
    .default([])
    .describe("networks, beyond the public ones, that names may lead to, such as `10.1.0.0/16`"),
  deniedNetworks: listField(network).default([]).describe("networks that stay out of reach whatever is listed"),
  deniedDomains: listField(hostRule).default([]).describe("names that stay out of reach whatever is listed"),
  rateBitsPerSecond: rate.default(10_000_000).describe("payload of one execution in each direction, such as `10Mbit`; 0 is no limit"),
  egressBytesMax: size.default(0).describe("what one execution may send out in all, such as `10MB`; 0 is no limit"),
  connectionsMax: z.coerce.number().int().min(1).max(65_535).default(256).describe("connections of one execution at the same time"),
  headerTimeoutMs: milliseconds().default(15_000).describe("how long a request head, or the beginning of a tunnel, may take"),
  connectTimeoutMs: milliseconds().default(10_000).describe("how long connecting to an origin may take"),
  idleTimeoutMs: milliseconds().default(300_000).describe("how long a request or tunnel may stand still"),
  totalTimeoutMs: limit().max(DELAY_MS_MAX).default(86_400_000).describe("how long a request or tunnel may last; 0 is no limit"),
  dnsServers: listField(dnsServer).default([]).describe("name servers to ask instead of the machine's own"),
};

/** The policy file. */
export const PolicyFile = z.strictObject(POLICY_FIELDS);
export type PolicyFields = z.infer<typeof PolicyFile>;

/** Settings of a node's network-proxy. */
export const NetworkProxyConfig = z.strictObject({
  listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
  listenPort: portField().default(1238).describe("port of the API; 0 picks a free one"),
  allowedHosts: listField(z.string())
    .default([])
    .describe("names by which clients may call this service, beside localhost and the bound address"),
  dataFolder: z.string().min(1).describe("folder for the journal of open doors and their sockets; at most 60 characters or so"),
  policyFile: z
    .string()
    .min(1)
    .optional()
    .describe("YAML file with the settings below, which alone count then; read again when it changes, and on SIGHUP"),
  ...POLICY_FIELDS,
  logLevel: logLevelField,
});
export type NetworkProxyConfig = z.infer<typeof NetworkProxyConfig>;

function isDnsServer(text: string): boolean {
  const address = /^(?:\[([^\]]+)\](?::\d{1,5})?|([^:[\]]+)(?::\d{1,5})?)$/u.exec(text);
  return isIP(text) !== 0 || isIP(address?.[1] ?? address?.[2] ?? "") !== 0;
}
