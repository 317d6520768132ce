/** One question of a query. */
export interface DnsQuestion {
  readonly id: number;
  /** Lower case, no final dot. */
  readonly name: string;
  readonly type: number;
  /** Where the question ends in the message. */
  readonly endsAt: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly data: Buffer;
}

export const DNS_TYPE = { A: 1, CNAME: 5, AAAA: 28 } as const;
export const DNS_RCODE = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** RFC 1035 section 4: a query with one question; undefined for anything else. */
export function readQuery(message: Buffer): DnsQuestion | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.subarray(at + 1, at + 1 + length).toString("latin1"));
    at += 1 + length;
  }
  if (at + 5 > message.length) return undefined;
  return { id: message.readUInt16BE(0), name: labels.join(".").toLowerCase(), type: message.readUInt16BE(at + 1), endsAt: at + 5 };
}

/** The answer to `query`; more than `bytesMax` becomes an empty one with the TC bit, so that the client comes again by TCP. */
export function writeAnswer(
  query: Buffer,
  question: DnsQuestion,
  { records, rcode, bytesMax }: { readonly records: readonly DnsRecord[]; readonly rcode: number; readonly bytesMax: number },
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(question.id, 0);
  header.writeUInt16BE(0x8180 | rcode, 2); // A response, recursion desired and available.
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const body = query.subarray(HEADER_BYTES, question.endsAt);
  const answer = Buffer.concat([header, body, ...records.map(recordBytes)]);
  if (answer.length <= bytesMax) return answer;
  header.writeUInt16BE(0x8380, 2);
  header.writeUInt16BE(0, 6);
  return Buffer.concat([header, body]);
}

/** A name as labels, uncompressed. */
export function nameBytes(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}

function recordBytes({ name, type, ttlSeconds, data }: DnsRecord): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2); // Class IN.
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(name), fixed, data]);
}

const HEADER_BYTES = 12;
