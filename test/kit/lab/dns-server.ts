import { createSocket } from "node:dgram";
import { once } from "node:events";
import { BlockList, createServer, type Socket } from "node:net";
import { DNS_RCODE, DNS_TYPE, type DnsRecord, nameBytes, readQuery, writeAnswer } from "./dns-wire.ts";
import type { Zone, ZoneAnswer } from "./protocol.ts";

/** A public address at which containers of the lab's engine ask. */
export const PUBLIC_DNS_ADDRESS = "9.9.9.9";

export interface DnsServer {
  setZone(zone: Zone): void;
  /** How often each name was asked for since the last call. */
  takeQueries(): Record<string, number>;
}

/** Answers every name from the zone, at port 53 of the lab's own and one public address by UDP, of all by TCP. What the zone lacks does not exist. */
export async function startDnsServer(): Promise<DnsServer> {
  const state: DnsState = { zone: {}, turns: new Map(), queries: new Map() };
  // A socket of all addresses answers from the one that the route back has, so a server of others needs a socket of its own.
  for (const host of ["0.0.0.0", PUBLIC_DNS_ADDRESS]) await answerDatagrams(state, host);
  const tcp = createServer((socket) => answerStream(state, socket)).listen(53, "0.0.0.0");
  await once(tcp, "listening");
  return {
    setZone: (zone) => {
      state.zone = zone;
      state.turns.clear();
    },
    takeQueries: () => {
      const taken = Object.fromEntries(state.queries);
      state.queries.clear();
      return taken;
    },
  };
}

interface DnsState {
  zone: Zone;
  readonly turns: Map<string, number>;
  readonly queries: Map<string, number>;
}

async function answerDatagrams(state: DnsState, host: string): Promise<void> {
  const udp = createSocket({ type: "udp4", reuseAddr: true });
  udp.on("message", (message, { address, port }) => {
    const answer = answerTo(state, message, UDP_BYTES_MAX);
    if (answer !== undefined) udp.send(answer, port, address);
  });
  udp.bind(53, host);
  await once(udp, "listening");
}

function answerTo(state: DnsState, query: Buffer, bytesMax: number): Buffer | undefined {
  const question = readQuery(query);
  if (question === undefined) return undefined;
  const { name, type } = question;
  state.queries.set(name, (state.queries.get(name) ?? 0) + 1);
  const first = nextAnswer(state, name, type);
  if (first?.fails === "timeout") return undefined;
  const rcode = first === undefined ? DNS_RCODE.NXDOMAIN : DNS_RCODE[first.fails ?? "NOERROR"];
  const records = rcode === DNS_RCODE.NOERROR ? recordsOf(state, { name, type, answer: first }) : [];
  return writeAnswer(query, question, { records, rcode, bytesMax });
}

/** Follows the names that stand for others, as a recursive resolver does. */
function recordsOf(
  state: DnsState,
  { name, type, answer, depth = 0 }: { name: string; type: number; answer: ZoneAnswer | undefined; depth?: number },
): DnsRecord[] {
  if (answer === undefined || depth > CHAIN_MAX) return [];
  const { a = [], aaaa = [], cname, ttlSeconds = 60 } = answer;
  if (cname !== undefined) {
    const rest = recordsOf(state, { name: cname, type, answer: nextAnswer(state, cname, type), depth: depth + 1 });
    return [{ name, type: DNS_TYPE.CNAME, ttlSeconds, data: nameBytes(cname) }, ...rest];
  }
  if (type === DNS_TYPE.A) return a.map((address) => ({ name, type, ttlSeconds, data: ipv4Bytes(address) }));
  if (type === DNS_TYPE.AAAA) return aaaa.map((address) => ({ name, type, ttlSeconds, data: ipv6Bytes(address) }));
  return [];
}

function nextAnswer({ zone, turns }: DnsState, name: string, type: number): ZoneAnswer | undefined {
  const answers = zone[name];
  if (answers === undefined) return undefined;
  const key = `${name} ${type}`;
  const turn = turns.get(key) ?? 0;
  turns.set(key, turn + 1);
  return answers[turn % answers.length];
}

function answerStream(state: DnsState, socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.on("error", () => undefined); // The client may go whenever it likes.
  socket.on("data", (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    for (let end = frameEnd(pending); end !== undefined; end = frameEnd(pending)) {
      const answer = answerTo(state, pending.subarray(2, end), 0xffff);
      pending = pending.subarray(end);
      if (answer === undefined) continue;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

function frameEnd(pending: Buffer): number | undefined {
  if (pending.length < 2) return undefined;
  const end = 2 + pending.readUInt16BE(0);
  return end <= pending.length ? end : undefined;
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}

/** The URL parser expands every form, the embedded dotted one included. */
function ipv6Bytes(address: string): Buffer {
  new BlockList().addAddress(address, "ipv6"); // Throws for what is no address.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const groups = (text: string): string[] => text.split(":").filter((group) => group !== "");
  const [left, right] = [groups(head), groups(tail ?? "")];
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => "0");
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/** Without EDNS; a larger answer sends the client to TCP. */
const UDP_BYTES_MAX = 512;
const CHAIN_MAX = 16;
