import { createHash, randomBytes, randomFillSync } from "node:crypto";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DomainError } from "@skrei/domain";
import { createS3Client, type S3Client, type S3ClientOptions } from "@skrei/s3/client.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { type S3Server, startS3Server } from "../kit/s3-server.ts";

const signal = new AbortController().signal;
const MEBIBYTE = 1_048_576;
let server: S3Server;
let http: S3Client;
let https: S3Client;

beforeAll(async () => {
  server = await startS3Server();
  http = clientOf();
  https = clientOf({ endpoint: server.tlsEndpoint, authority: server.authority });
  await server.request("PUT", "plain");
});
afterAll(async () => {
  http[Symbol.dispose]();
  https[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

function clientOf(options: S3ClientOptions = {}): S3Client {
  return createS3Client({ endpoint: server.endpoint, credentials: server.credentials, ...options });
}

const keyed = (key: string): { readonly bucket: string; readonly key: string } => ({ bucket: "plain", key });
const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function read(client: S3Client, key: string, options: Omit<Parameters<S3Client["getObject"]>[1], "signal"> = {}): Promise<Buffer> {
  using download = await client.getObject(keyed(key), { ...options, signal });
  const pieces: Buffer[] = [];
  for await (const piece of download.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function listed(prefix: string, client = http): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of client.listObjects({ bucket: "plain", prefix, signal })) keys.push(key);
  return keys;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => new Error("it succeeded"),
    (error: unknown) => error,
  );
}

/** Reproducible pieces of odd sizes, so that parts and pieces never meet. */
async function* streamOf(sizeBytes: number, piece = randomFillSync(Buffer.alloc(99_991))): AsyncGenerator<Uint8Array> {
  for (let rest = sizeBytes; rest > 0; rest -= piece.length) yield await Promise.resolve(piece.subarray(0, Math.min(rest, piece.length)));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const uploads = async (): Promise<number> => [...(await server.request("GET", "plain", { uploads: "" })).matchAll(/<UploadId>/gu)].length;
const noConnections = (): Promise<number> => eventually(server.connections, (count) => count === 0, { withinMs: 20_000 });

test.each([
  ["0 B", 0],
  ["1 B", 1],
  ["5 MiB", 5 * MEBIBYTE],
])("an object of %s comes back as it was stored, over plain HTTP and TLS", async (name, sizeBytes) => {
  const bytes = randomBytes(sizeBytes);
  for (const client of [http, https]) {
    const stored = await client.putObject(keyed(name), bytes, { contentType: "text/x-test", checksum: true, signal });
    expect(digestOf(await read(client, name))).toBe(digestOf(bytes));
    const info = await client.headObject(keyed(name), { signal });
    expect(info).toMatchObject({ sizeBytes, etag: stored.etag, contentType: "text/x-test" });
    expect(Math.abs(info.modifiedAtMs - Date.now())).toBeLessThan(600_000);
  }
});

async function digestOfStream(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

test("a body that can be opened twice is signed over plain HTTP as well", async () => {
  const piece = randomBytes(70_001);
  const body = { sizeBytes: 700_010, open: () => streamOf(700_010, piece) };
  for (const client of [http, https]) {
    await client.putObject(keyed("opened"), body, { signal });
    expect(digestOf(await read(client, "opened"))).toBe(await digestOfStream(body.open()));
  }
});

test("64 MiB go up in parts and come down the same", async () => {
  const piece = randomBytes(99_991);
  const sizeBytes = 64 * MEBIBYTE + 1;
  for (const client of [http, https]) {
    const stored = await client.uploadObject(keyed("large"), streamOf(sizeBytes, piece), {
      sizeBytesHint: sizeBytes,
      checksum: true,
      signal,
    });
    expect(stored).toMatchObject({ sizeBytes });
    using download = await client.getObject(keyed("large"), { signal });
    expect(download.info).toMatchObject({ sizeBytes, etag: expect.stringMatching(/-9"$/u) as unknown });
    expect(await digestOfStream(download.body)).toBe(await digestOfStream(streamOf(sizeBytes, piece)));
  }
  expect(await uploads()).toBe(0);
});

test.each([0, 1, 8 * MEBIBYTE, 8 * MEBIBYTE + 1])("a stream of %d bytes is stored whole", async (sizeBytes) => {
  const piece = randomBytes(65_536);
  await http.uploadObject(keyed("stream"), streamOf(sizeBytes, piece), { signal });
  expect(digestOf(await read(http, "stream"))).toBe(await digestOfStream(streamOf(sizeBytes, piece)));
});

const HOSTILE = [
  "a/../b",
  "../up",
  "./here",
  "//two//slashes/",
  "/leading",
  " spaces  and + plus ",
  "%2F%252F%",
  "line\nbreak\ttab\rreturn",
  "ünïcödé/文件/😀",
  "e\u0301 is not é",
  "?query=1&x#frag",
  "<a>&amp;\"'</a>",
  "back\\slash",
  "\u0001\u001B[31m",
  "~-._!*'();:@&=+$,[]",
  "k".repeat(1_024),
];

test.each(HOSTILE)("the key %j is one object, listed by its name", async (key) => {
  for (const client of [http, https]) {
    await client.putObject(keyed(key), Buffer.from(key), { signal });
    expect((await read(client, key)).toString()).toBe(key);
    expect((await client.headObject(keyed(key), { signal })).sizeBytes).toBe(Buffer.byteLength(key));
    expect(await listed(key, client)).toContain(key);
    await client.deleteObject(keyed(key), { signal });
    expect(await failureOf(client.headObject(keyed(key), { signal }))).toMatchObject({ kind: "notFound" });
  }
});

test("a prefix of 2,500 objects is listed whole, each once, with size and ETag", async () => {
  const keys = Array.from({ length: 2_500 }, (_, index) => `many/${String(index).padStart(5, "0")} +é`);
  for (let at = 0; at < keys.length; at += 50)
    await Promise.all(keys.slice(at, at + 50).map((key) => http.putObject(keyed(key), Buffer.from("x"), { signal })));
  expect(await listed("many/")).toEqual(keys);
  expect(await listed("many/0249")).toEqual(keys.slice(2_490));
  for await (const object of http.listObjects({ bucket: "plain", prefix: "many/", pageSize: 7, signal })) {
    expect(object).toMatchObject({ sizeBytes: 1, etag: '"9dd4e461268c8034f5c8564e155c67a6"' });
    if (object.key === keys[20]) break; // The rest is not asked for.
  }
  expect(await failureOf(collect(http.listObjects({ bucket: "plain", prefix: "many/", objectsMax: 2_499, signal })))).toMatchObject({
    reason: "SOURCE_TOO_LARGE",
  });
}, 120_000);

test("ranges give exactly their bytes", async () => {
  const bytes = randomBytes(100_000);
  await http.putObject(keyed("ranged"), bytes, { signal });
  for (const [start, end] of [
    [0, 0],
    [10, 19],
    [99_999, 99_999],
    [500, undefined],
    [99_990, 200_000],
  ] as const) {
    const range = { start, ...(end === undefined ? {} : { end }) };
    expect(await read(http, "ranged", { range })).toEqual(bytes.subarray(start, end === undefined ? undefined : end + 1));
    using download = await https.getObject(keyed("ranged"), { range, signal });
    expect(download.info.sizeBytes).toBe(100_000);
  }
  expect(await failureOf(read(http, "ranged", { range: { start: 100_000 } }))).toMatchObject({ kind: "invalid", reason: "FIELD_INVALID" });
});

test("a reader that holds to an ETag learns that the object was replaced", async () => {
  const { etag } = await http.putObject(keyed("pinned"), Buffer.from("first"), { signal });
  expect((await read(http, "pinned", { ifMatch: etag, range: { start: 2 } })).toString()).toBe("rst");
  await http.putObject(keyed("pinned"), Buffer.from("other"), { signal });
  expect(await failureOf(read(http, "pinned", { ifMatch: etag }))).toMatchObject({ kind: "precondition", reason: "SOURCE_CHANGED" });
  expect(await failureOf(https.headObject(keyed("pinned"), { ifMatch: etag, signal }))).toMatchObject({ reason: "SOURCE_CHANGED" });
});

test("a version stays readable after it was replaced and deleted", async () => {
  await server.request("PUT", "versioned");
  const setting = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  await server.request("PUT", "versioned", { versioning: "" }, setting);
  const ref = { bucket: "versioned", key: "k" };
  const { versionId = "" } = await http.putObject(ref, Buffer.from("first"), { signal });
  expect(versionId).not.toBe("");
  await http.putObject(ref, Buffer.from("second"), { signal });
  await http.deleteObject(ref, { signal });
  expect(await failureOf(http.headObject(ref, { signal }))).toMatchObject({ kind: "notFound" });
  using download = await http.getObject({ ...ref, versionId }, { signal });
  expect(download.info.versionId).toBe(versionId);
  expect(Buffer.concat(await collect(download.body)).toString()).toBe("first");
});

test("a presigned link reads the object with curl alone, until it is altered", async () => {
  await http.putObject(keyed("a/../linked + ü"), Buffer.from("linked"), { signal });
  const link = http.presignGet(keyed("a/../linked + ü"), { expiresInS: 60 });
  const curl = async (url: string): Promise<string> => (await promisify(execFile)("curl", ["-s", "--path-as-is", url])).stdout;
  expect(await curl(link)).toBe("linked");
  expect(await curl(link.replace("Expires=60", "Expires=61"))).toContain("SignatureDoesNotMatch");
});

test.each([
  ["a wrong secret", { secretAccessKey: "wrong" }, "unauthenticated", "SOURCE_ACCESS_DENIED"],
  ["an unknown key", { accessKeyId: "nobody" }, "unauthenticated", "SOURCE_ACCESS_DENIED"],
])("%s is refused, whatever is asked for", async (_name, wrong, kind, reason) => {
  using client = clientOf({ credentials: { ...server.credentials, ...wrong } });
  const asked = [
    client.getObject(keyed("x"), { signal }),
    client.putObject(keyed("x"), Buffer.alloc(3 * MEBIBYTE), { signal }),
    client.uploadObject(keyed("x"), streamOf(20 * MEBIBYTE), { signal }),
    collect(client.listObjects({ bucket: "plain", signal })),
  ];
  for (const error of await Promise.all(asked.map(failureOf))) expect(error).toMatchObject({ kind, reason });
});

test("nobody without credentials reads what is not public", async () => {
  using client = createS3Client({ endpoint: server.endpoint });
  await http.putObject(keyed("private"), Buffer.from("x"), { signal });
  expect(await failureOf(client.getObject(keyed("private"), { signal }))).toMatchObject({
    kind: "forbidden",
    reason: "SOURCE_ACCESS_DENIED",
  });
});

test("a clock that is an hour off is named as the cause", async () => {
  const clock = { nowMs: () => Date.now() - 3_600_000, sleep: async () => await Promise.resolve() };
  using client = clientOf({ clock });
  expect(await failureOf(collect(client.listObjects({ bucket: "plain", signal })))).toMatchObject({ reason: "CLOCK_SKEW" });
});

test("a bucket or key that is not there is named", async () => {
  const nowhere = { bucket: "no-such-bucket", key: "k" };
  for (const error of await Promise.all(
    [
      http.getObject(nowhere, { signal }),
      http.putObject(nowhere, Buffer.from("x"), { signal }),
      http.uploadObject(nowhere, streamOf(20 * MEBIBYTE), { signal }),
      collect(http.listObjects({ bucket: "no-such-bucket", signal })),
      http.getObject(keyed("no such key"), { signal }),
    ].map(failureOf),
  ))
    expect(error).toMatchObject({ kind: "notFound", reason: "SOURCE_UNREACHABLE" });
  await http.deleteObject(keyed("no such key"), { signal });
});

test("a download that is given up leaves no connection", async () => {
  await http.putObject(keyed("given up"), randomBytes(20 * MEBIBYTE), { signal });
  for (const endpoint of [{}, { endpoint: server.tlsEndpoint, authority: server.authority }]) {
    using client = clientOf(endpoint);
    const controller = new AbortController();
    const left = new Error("left");
    const download = await client.getObject(keyed("given up"), { signal: controller.signal });
    const reading = (async () => {
      for await (const _ of download.body) controller.abort(left);
    })();
    await expect(reading).rejects.toBe(left);
    for await (const _ of (await client.getObject(keyed("given up"), { signal })).body) break;
    (await client.getObject(keyed("given up"), { signal }))[Symbol.dispose]();
  }
  http[Symbol.dispose]();
  https[Symbol.dispose]();
  await noConnections();
});

test.each([
  ["the caller leaves", "abort"],
  ["the stream breaks", "throw"],
])("an upload that ends because %s leaves no connection, no part and no object", async (_name, how) => {
  const before = await listed("");
  using client = clientOf();
  const controller = new AbortController();
  const left = new Error("left");
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* streamOf(50 * MEBIBYTE);
    if (how === "throw") throw left;
    controller.abort(left);
    yield* streamOf(MEBIBYTE);
  }
  await expect(client.uploadObject(keyed("left"), stream(), { signal: controller.signal })).rejects.toBe(left);
  expect(await uploads()).toBe(0);
  expect(await listed("")).toEqual(before);
  client[Symbol.dispose]();
  http[Symbol.dispose]();
  await noConnections();
});

test("a server that dies in mid-transfer ends both directions with a reason, and serves again after", async () => {
  const bytes = randomBytes(30 * MEBIBYTE);
  await http.putObject(keyed("survivor"), bytes, { signal });
  const clock = { nowMs: () => Date.now(), sleep: async () => await Promise.resolve() };
  using client = clientOf({ clock });
  const { etag } = await client.headObject(keyed("survivor"), { signal });
  using download = await client.getObject(keyed("survivor"), { ifMatch: etag, signal });
  const kept: Buffer[] = [];
  const leftovers: string[] = [];
  const down = (async () => {
    for await (const piece of download.body) {
      kept.push(piece);
      if (kept.length === 1) await server.kill();
    }
  })();
  expect(await failureOf(down)).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" } satisfies Partial<DomainError>);
  await server.startAgain();
  const keptBytes = Buffer.concat(kept);
  const rest = await read(http, "survivor", { ifMatch: etag, range: { start: keptBytes.length } });
  expect(Buffer.concat([keptBytes, rest]).equals(bytes)).toBe(true);
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* streamOf(30 * MEBIBYTE);
    await server.kill();
    yield* streamOf(30 * MEBIBYTE);
  }
  const up = client.uploadObject(keyed("dead"), stream(), { signal, onLeftover: ({ uploadId }) => leftovers.push(uploadId) });
  expect(await failureOf(up)).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" });
  await server.startAgain();
  // Nobody could remove it while the server was down, so the caller was told.
  expect(leftovers).toHaveLength(1);
  expect(await uploads()).toBe(1);
  expect(await listed("dead")).toEqual([]);
}, 120_000);
