import { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CLIENT_HELLO_BYTES_MAX, readClientHello } from "./client-hello.ts";
import { RECORDED_HELLOS } from "./testdata/recorded-hellos.ts";

describe("real clients", () => {
  test.each(RECORDED_HELLOS)("the hello of $client names $serverName", ({ serverName, base64 }) => {
    expect(readClientHello(Buffer.from(base64, "base64"))).toEqual({ kind: "hello", serverName, isEncrypted: false });
  });

  test.each<readonly [string, ConnectionOptions, string | undefined]>([
    ["with a name", { servername: "good.test" }, "good.test"],
    ["with a name in upper case", { servername: "GOOD.test" }, "GOOD.test"],
    ["without a name", { servername: "" }, undefined],
    ["with TLS 1.2 alone", { servername: "good.test", maxVersion: "TLSv1.2" }, "good.test"],
    ["of 17 KiB over two records", { servername: "good.test", ALPNProtocols: manyProtocols(17 * 1024) }, "good.test"],
    ["of 60 KiB over four records", { servername: "good.test", ALPNProtocols: manyProtocols(60 * 1024) }, "good.test"],
  ])("the hello of Node %s is read, and whatever comes before its last byte is incomplete", async (_, options, serverName) => {
    const bytes = await helloOfNode(options);
    expect(readClientHello(bytes)).toEqual({ kind: "hello", serverName, isEncrypted: false });
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 600)) {
      expect(readClientHello(bytes.subarray(0, length))).toEqual({ kind: "incomplete" });
    }
    expect(readClientHello(bytes.subarray(0, -1))).toEqual({ kind: "incomplete" });
  });
});

describe("a hello", () => {
  const serverName = { type: 0, data: nameList([0, "good.test"]) };

  test.each<readonly [string, Parameters<typeof hello>[0], object]>([
    ["without extensions", { extensions: undefined }, { serverName: undefined }],
    ["with no extension", { extensions: [] }, { serverName: undefined }],
    ["with GREASE around the name", { extensions: [{ type: 0x0a0a, data: [] }, serverName, { type: 0xfafa, data: [0] }] }, {}],
    [
      "with an encrypted hello",
      { extensions: [serverName, { type: 0xfe0d, data: [0, 0, 1, 0, 1, 7, 0, 0, 0, 0] }] },
      { isEncrypted: true },
    ],
    ["with the encrypted name of a draft", { extensions: [{ type: 0xffce, data: [1] }, serverName] }, { isEncrypted: true }],
    ["in records of one byte", { extensions: [serverName], recordBytes: 1 }, {}],
    ["in records of seven bytes", { extensions: [serverName], recordBytes: 7 }, {}],
    ["of SSL 3 style records", { extensions: [serverName], recordVersion: 0 }, {}],
    ["with early data behind it", { extensions: [serverName], behind: [23, 3, 3, 0, 2, 1, 1] }, {}],
    [
      "with a name that ends in a dot, as sent",
      { extensions: [{ type: 0, data: nameList([0, "good.test."]) }] },
      { serverName: "good.test." },
    ],
  ])("%s is read", (_, parts, expected) => {
    expect(readClientHello(hello(parts))).toEqual({ kind: "hello", serverName: "good.test", isEncrypted: false, ...expected });
  });

  test.each<readonly [string, Parameters<typeof hello>[0]]>([
    ["two names", { extensions: [{ type: 0, data: nameList([0, "good.test"], [0, "evil.test"]) }] }],
    ["names twice", { extensions: [serverName, { type: 0, data: nameList([0, "evil.test"]) }] }],
    ["an empty list of names", { extensions: [{ type: 0, data: nameList() }] }],
    ["an empty name", { extensions: [{ type: 0, data: nameList([0, ""]) }] }],
    ["a name of an unknown type", { extensions: [{ type: 0, data: nameList([1, "good.test"]) }] }],
    ["a NUL in the name", { extensions: [{ type: 0, data: nameList([0, "good.test\0.evil.test"]) }] }],
    ["a line break in the name", { extensions: [{ type: 0, data: nameList([0, "good.test\r\n"]) }] }],
    ["a byte beyond ASCII in the name", { extensions: [{ type: 0, data: nameList([0, "g\u00e9od.test"]) }] }],
    ["a name of 256 characters", { extensions: [{ type: 0, data: nameList([0, "a".repeat(256)]) }] }],
    ["bytes behind the list of names", { extensions: [{ type: 0, data: [...nameList([0, "good.test"]), 0] }] }],
    ["an extension twice", { extensions: [serverName, { type: 35, data: [] }, { type: 35, data: [] }] }],
    ["an extension that is longer than its room", { extensions: [serverName], lengthOfExtensions: 9 }],
    ["bytes behind the extensions", { extensions: [serverName], tail: [0] }],
    ["another version than SSL 3 to TLS 1.3", { extensions: [serverName], version: [2, 0] }],
    ["another message than a ClientHello", { extensions: [serverName], messageType: 2 }],
    ["more than 64 KiB", { extensions: [serverName, { type: 21, data: Array.from({ length: CLIENT_HELLO_BYTES_MAX }, () => 0) }] }],
    ["more than 256 records", { extensions: [serverName, { type: 21, data: Array.from({ length: 300 }, () => 0) }], recordBytes: 1 }],
    ["an alert between its records", { extensions: [serverName], recordBytes: 40, between: [21, 3, 3, 0, 2, 1, 0] }],
    ["an empty record between its records", { extensions: [serverName], recordBytes: 40, between: [22, 3, 3, 0, 0] }],
  ])("with %s is no TLS", (_, parts) => {
    expect(readClientHello(hello(parts))).toEqual({ kind: "notTls" });
  });
});

test.each([
  ["HTTP", "GET / HTTP/1.1\r\nHost: good.test\r\n\r\n"],
  ["SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["NATS", 'CONNECT {"verbose":false}\r\n'],
  ["Redis", "*1\r\n$4\r\nPING\r\n"],
  ["SMTP", "EHLO a\r\n"],
  ["an SSL 2 hello", "\x80\x2e\x01\x03\x01"],
  ["an alert", "\x15\x03\x03\x00\x02\x01\x00"],
  ["application data", "\x17\x03\x03\x00\x01a"],
  ["a record of nothing", "\x16\x03\x01\x00\x00"],
  ["a record over 16 KiB", "\x16\x03\x01\x40\x01"],
  ["a handshake record with something else inside", "\x16\x03\x01\x00\x04\x02\x00\x00\x00"],
])("%s is no TLS, and its first bytes already say so", (_, text) => {
  const bytes = Buffer.from(text, "latin1");
  expect(readClientHello(bytes)).toEqual({ kind: "notTls" });
  expect(readClientHello(bytes.subarray(0, 6)).kind).toBe("notTls");
});

test("what is still no hello after 64 KiB is no TLS", () => {
  const bytes = hello({ extensions: [{ type: 21, data: Array.from({ length: 65_400 }, () => 0) }], recordBytes: 300 });
  expect(bytes.length).toBeGreaterThan(CLIENT_HELLO_BYTES_MAX);
  expect(readClientHello(bytes)).toEqual({ kind: "notTls" });
  expect(readClientHello(bytes.subarray(0, CLIENT_HELLO_BYTES_MAX))).toEqual({ kind: "notTls" });
  expect(readClientHello(bytes.subarray(0, CLIENT_HELLO_BYTES_MAX - 1))).toEqual({ kind: "incomplete" });
});

test("never throws, and never takes back what it said when more bytes come", () => {
  const recorded = RECORDED_HELLOS.map(({ base64 }) => [...Buffer.from(base64, "base64")]);
  const mutated = fc
    .tuple(fc.constantFrom(...recorded), fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 4 }), fc.nat(600))
    .map(([bytes, changes, cut]) => {
      const copy = Uint8Array.from(bytes);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return cut < 300 ? copy : copy.subarray(0, cut);
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), fc.array(fc.nat(600), { maxLength: 12 }), (bytes, splits) => {
      const whole = readClientHello(bytes);
      for (const split of splits) {
        const early = readClientHello(bytes.subarray(0, split));
        if (early.kind !== "incomplete") expect(early).toEqual(whole);
      }
      if (whole.kind === "hello") expect(whole.serverName ?? "a").toMatch(/^[\x21-\x7e]{1,255}$/u);
    }),
    { numRuns: 20_000 },
  );
});

/** What Node's TLS sends first. */
function helloOfNode(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        parts.push(chunk);
        const bytes = Buffer.concat(parts);
        if (readClientHello(bytes).kind !== "incomplete") resolve(bytes);
        done();
      },
    });
    connect({ ...options, socket: wire }).on("error", reject);
  });
}

function manyProtocols(sizeBytes: number): readonly string[] {
  return Array.from({ length: Math.floor(sizeBytes / 201) }, (_, index) => String(index).padStart(200, "p"));
}

interface HelloParts {
  readonly extensions: readonly { readonly type: number; readonly data: readonly number[] }[] | undefined;
  readonly lengthOfExtensions?: number;
  readonly version?: readonly [number, number];
  readonly messageType?: number;
  readonly recordVersion?: number;
  readonly recordBytes?: number;
  readonly between?: readonly number[];
  readonly tail?: readonly number[];
  readonly behind?: readonly number[];
}

function hello({ recordBytes = 16_384, recordVersion = 1, between = [], behind = [], ...parts }: HelloParts): Uint8Array {
  const message = helloMessage(parts);
  const records: number[] = [];
  for (let offset = 0; offset < message.length; offset += recordBytes) {
    const fragment = message.slice(offset, offset + recordBytes);
    records.push(...(offset === 0 ? [] : between), 22, 3, recordVersion, ...integer(fragment.length, 2), ...fragment);
  }
  return Uint8Array.from([...records, ...behind]);
}

function helloMessage({ extensions, version = [3, 3], messageType = 1, tail = [], lengthOfExtensions }: HelloParts): readonly number[] {
  const list = extensions?.flatMap(({ type, data }) => [...integer(type, 2), ...integer(data.length, 2), ...data]);
  const block = list === undefined ? [] : [...integer(lengthOfExtensions ?? list.length & 0xffff, 2), ...list];
  const random = Array.from({ length: 32 }, (_, index) => index);
  const body = [...version, ...random, 0, ...integer(2, 2), 0x13, 0x01, 1, 0, ...block, ...tail];
  return [messageType, ...integer(body.length, 3), ...body];
}

function nameList(...names: readonly (readonly [type: number, name: string])[]): readonly number[] {
  const list = names.flatMap(([type, name]) => [type, ...integer(name.length, 2), ...Buffer.from(name, "latin1")]);
  return [...integer(list.length, 2), ...list];
}

function integer(value: number, lengthBytes: number): readonly number[] {
  return Array.from({ length: lengthBytes }, (_, index) => (value >>> (8 * (lengthBytes - 1 - index))) & 0xff);
}
