/** What a name server says about a name. */
export interface ZoneAnswer {
  /** IPv4 addresses. */
  readonly a?: readonly string[];
  /** IPv6 addresses. */
  readonly aaaa?: readonly string[];
  /** The name that this one stands for; its records follow in the same answer when the zone has them. */
  readonly cname?: string;
  readonly ttlSeconds?: number;
  /** `timeout`: no answer at all. */
  readonly fails?: "NXDOMAIN" | "SERVFAIL" | "REFUSED" | "timeout";
}

/** By name, lower case, no final dot. With several answers each query of a name and type gets the next one, round and round. */
export type Zone = Readonly<Record<string, readonly ZoneAnswer[]>>;

/** A connection that came to an address where nobody has any business. */
export interface CanarySighting {
  readonly address: string;
  readonly port: number;
  /** All that it sent. */
  readonly bytes: number;
  /** The first of it, as latin-1. */
  readonly begin: string;
}

/** A connection that came to an origin. */
export interface OriginConnection {
  readonly address: string;
  readonly port: number;
  /** All that it sent until now, handshakes included. */
  readonly bytes: number;
}

/** A request that an origin took. */
export interface OriginRequest {
  readonly scheme: "http" | "https";
  readonly address: string;
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** What was seen in the lab since the last look. */
export interface Sightings {
  readonly canaries: readonly CanarySighting[];
  readonly connections: readonly OriginConnection[];
  readonly requests: readonly OriginRequest[];
  /** How often each name was asked for. */
  readonly queries: Readonly<Record<string, number>>;
}

/** How the lab is laid out, told once to its process. */
export interface LabPlan {
  /** Public addresses where origins answer at 80 and 443. Every other address is a canary's. */
  readonly originAddresses: readonly string[];
  readonly canaryPorts: readonly number[];
  readonly key: string;
  readonly certificate: string;
  /** Served below `/files/` by every origin. */
  readonly filesFolder: string;
  /** Where the process listens for those who want to reach a port in the lab. */
  readonly reachSocket: string;
}

/** What the process in the lab is asked; each has one reply. */
export type LabAsk =
  | { readonly ask: "start"; readonly plan: LabPlan }
  | { readonly ask: "setZone"; readonly zone: Zone }
  | { readonly ask: "takeSightings" };

export type LabMessage = LabAsk & { readonly id: number };

export interface LabReply {
  readonly id: number;
  readonly error?: string;
  readonly sightings?: Sightings;
}
