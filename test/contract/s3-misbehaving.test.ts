import { DomainError } from "@skrei/domain";
import { createS3Client, type S3Client, type S3ClientOptions } from "@skrei/s3/client.ts";
import { expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { answer, refusal, type ScriptedAnswer, type ScriptedS3, startScriptedS3 } from "../kit/scripted-s3.ts";

const ref = { bucket: "bucket", key: "key" };
const signal = new AbortController().signal;
const head = { etag: '"e"', "last-modified": "Fri, 24 May 2013 00:00:00 GMT" };
const content = (text: string): ScriptedAnswer => answer(200, head, text);
const cut: ScriptedAnswer = (socket) => void socket.destroy();
const silence: ScriptedAnswer = () => undefined;
/** The head of a body of `announced` bytes, of which `sent` come. */
const lie = (announced: number, sent: string, after?: "end" | "stay"): ScriptedAnswer => {
  return (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${announced}\r\netag: "e"\r\n\r\n${sent}`);
    if (after !== "stay") socket.end();
  };
};
const listing = (keys: readonly string[], token = ""): ScriptedAnswer => {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`).join("");
  const next =
    token === ""
      ? "<IsTruncated>false</IsTruncated>"
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`;
  return answer(200, {}, `<ListBucketResult>${contents}${next}</ListBucketResult>`);
};

/** A client whose waits between tries are recorded, not waited. */
function clientFor(server: ScriptedS3, options: Partial<S3ClientOptions> = {}): S3Client & { readonly waitsMs: number[] } {
  const waitsMs: number[] = [];
  const clock = {
    nowMs: () => Date.now(),
    sleep: async (delayMs: number) => {
      waitsMs.push(delayMs);
      await Promise.resolve();
    },
  };
  const client = createS3Client({ endpoint: server.endpoint, clock, random: () => 0.5, answerTimeoutMs: 5_000, ...options });
  return Object.assign(client, { waitsMs });
}

async function readAll(client: S3Client, options: Parameters<S3Client["getObject"]>[1] = { signal }): Promise<string> {
  using download = await client.getObject(ref, options);
  const pieces: Buffer[] = [];
  for await (const piece of download.body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function listAll(client: S3Client, objectsMax = 1_000): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of client.listObjects({ bucket: "bucket", objectsMax, signal })) keys.push(key);
  return keys;
}

async function failureOf(work: Promise<unknown>): Promise<DomainError> {
  const error = await work.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  if (error instanceof DomainError) return error;
  throw error;
}

test("a server that is busy twice is asked a third time, later each time", async () => {
  await using server = await startScriptedS3(refusal(503, "SlowDown"), refusal(500, "InternalError"), content("here"));
  using client = clientFor(server);
  expect(await readAll(client)).toBe("here");
  expect(client.waitsMs).toEqual([150, 450]);
});

test("a server that stays busy is asked four times", async () => {
  await using server = await startScriptedS3(refusal(503, "SlowDown"));
  using client = clientFor(server);
  expect(await failureOf(readAll(client))).toMatchObject({
    kind: "unavailable",
    reason: "SOURCE_UNREACHABLE",
    metadata: { s3Code: "SlowDown" },
  });
  expect(server.requests).toHaveLength(4);
});

test("the time that a server asks for is waited, but not an hour of it", async () => {
  await using server = await startScriptedS3(
    refusal(503, "SlowDown", { "retry-after": "7" }),
    refusal(429, "X", { "retry-after": "3600" }),
  );
  using client = clientFor(server);
  expect(await failureOf(readAll(client))).toMatchObject({ kind: "unavailable", metadata: { status: "429" } });
  expect(client.waitsMs).toEqual([7_150]);
});

test("what may not run twice is not repeated after a cut, but is after a refusal", async () => {
  await using server = await startScriptedS3(cut);
  using client = clientFor(server);
  expect(await failureOf(client.deleteObject(ref, { signal }))).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" });
  expect(server.requests).toHaveLength(1);
  await using other = await startScriptedS3(refusal(503, "SlowDown"), answer(204));
  using patient = clientFor(other);
  await patient.deleteObject(ref, { signal });
  expect(other.requests).toHaveLength(2);
});

test("a kept connection that the server closed meanwhile costs nobody a failure", async () => {
  await using server = await startScriptedS3(content("one"), cut, content("two"));
  using client = clientFor(server);
  expect(await readAll(client)).toBe("one");
  expect(await readAll(client)).toBe("two");
});

test.each([
  ["is cut", lie(10, "half")],
  ["is shorter than its length", lie(1_000_000, "half")],
])("a body that %s gives what came and then fails", async (_name, script) => {
  await using server = await startScriptedS3(script);
  using client = clientFor(server);
  using download = await client.getObject(ref, { signal });
  const pieces: string[] = [];
  const reading = (async () => {
    for await (const piece of download.body) pieces.push(piece.toString());
  })();
  expect(await failureOf(reading)).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" });
  expect(pieces).toEqual(["half"]);
  expect(server.requests).toHaveLength(1);
});

test("bytes behind the announced length are not taken, and their connection is not used again", async () => {
  await using server = await startScriptedS3(lie(4, "herethere", "stay"), content("next"));
  using client = clientFor(server);
  expect(await readAll(client)).toBe("here");
  expect(await readAll(client)).toBe("next");
  expect(server.accepted()).toBe(2);
});

test.each([
  ["no length", (socket) => void socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n\r\n"), {}],
  ["a part that nobody asked for", answer(206, { "content-range": "bytes 0-3/10" }, "here"), {}],
  ["everything in place of a part", content("everything"), { range: { start: 3 } }],
  ["another part", answer(206, { "content-range": "bytes 0-3/10" }, "here"), { range: { start: 3, end: 6 } }],
] as const satisfies readonly (readonly [string, ScriptedAnswer, object])[])("refuses %s", async (_name, script, options) => {
  await using server = await startScriptedS3(script);
  using client = clientFor(server);
  expect(await failureOf(readAll(client, { ...options, signal }))).toMatchObject({ kind: "corrupt", reason: "SOURCE_SIZE_MISMATCH" });
  await eventually(server.open, (open) => open === 0, { withinMs: 5_000 });
});

test.each([
  ["nothing", silence],
  ["headers a letter at a time", (socket) => drip(socket, "HTTP/1.1 200 OK\r\nx-a: ")],
] as const satisfies readonly (readonly [string, ScriptedAnswer])[])(
  "a server that answers %s is given up in time",
  async (_name, script) => {
    await using server = await startScriptedS3(script);
    using client = clientFor(server, { answerTimeoutMs: 60, triesMax: 2 });
    expect(await failureOf(readAll(client))).toMatchObject({ kind: "timeout", reason: "SOURCE_UNREACHABLE" });
    expect(server.requests).toHaveLength(2);
    await eventually(server.open, (open) => open === 0, { withinMs: 5_000 });
  },
);

function drip(socket: Parameters<ScriptedAnswer>[0], text: string): void {
  socket.write(text);
  const timer = setInterval(() => socket.write("x"), 5);
  socket.on("close", () => clearInterval(timer));
}

test("a body that stands still fails, but a reader may take its time", async () => {
  await using server = await startScriptedS3(lie(8, "half", "stay"));
  using client = clientFor(server, { idleTimeoutMs: 40 });
  // Two servers of one speed: only the one that somebody waits for is late.
  await using patient = await startScriptedS3(content("x".repeat(3_000_000)));
  using slowReader = clientFor(patient, { idleTimeoutMs: 40 });
  using download = await slowReader.getObject(ref, { signal });
  let receivedBytes = 0;
  for await (const piece of download.body) {
    if (receivedBytes === 0)
      for (let late = 0; late < 3; late++)
        expect(await failureOf(readAll(client))).toMatchObject({ kind: "timeout", reason: "SOURCE_UNREACHABLE" });
    receivedBytes += piece.length;
  }
  expect(receivedBytes).toBe(3_000_000);
});

test("a listing without end is cut off after 8 MiB, and not asked for again", async () => {
  await using server = await startScriptedS3((socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>");
    const pour = (): void => {
      while (!socket.destroyed && socket.write("<Contents><Key>k</Key></Contents>".repeat(1_000)));
    };
    socket.on("drain", pour);
    pour();
  });
  using client = clientFor(server);
  expect(await failureOf(listAll(client))).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" });
  expect(server.requests).toHaveLength(1);
  await eventually(server.open, (open) => open === 0, { withinMs: 5_000 });
  expect(server.bytesWritten()).toBeLessThan(24 * 1_048_576); // What the kernel holds on both ends comes on top.
});

test.each([
  [
    "a bomb of entities",
    `<!DOCTYPE a [<!ENTITY a "${"x".repeat(100)}"><!ENTITY b "${"&a;".repeat(100)}">]><ListBucketResult><Name>&b;</Name></ListBucketResult>`,
  ],
  ["depth without end", "<a>".repeat(100_000)],
  ["a page of HTML", "<html><body>It works!<br></body></html>"],
  ["nothing", ""],
])("a listing that is %s is refused at once", async (_name, body) => {
  await using server = await startScriptedS3(answer(200, {}, body));
  using client = clientFor(server);
  expect(await failureOf(listAll(client))).toMatchObject({ reason: "SOURCE_UNREACHABLE" });
  expect(server.requests).toHaveLength(1);
});

test.each([
  ["turns in a circle", [listing(["a"], "t"), listing(["b"], "t")]],
  ["repeats itself", [listing(["a"], "t1"), listing(["a"], "t2")]],
  [
    "has only empty pages",
    [(socket, { target }) => listing([], `t${target.length}`)(socket, { method: "GET", target, headers: new Map() })],
  ],
  [
    "names other keys",
    [
      answer(
        200,
        {},
        "<ListBucketResult><Contents><Key>a%FF</Key><Size>1</Size></Contents><EncodingType>url</EncodingType></ListBucketResult>",
      ),
    ],
  ],
  ["is cut without a token", [answer(200, {}, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")]],
  ["gives no sizes", [answer(200, {}, "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>")]],
] as const satisfies readonly (readonly [string, readonly ScriptedAnswer[]])[])(
  "a listing that %s ends with a reason",
  async (_name, answers) => {
    await using server = await startScriptedS3(...answers);
    using client = clientFor(server);
    expect(await failureOf(listAll(client))).toMatchObject({ kind: "corrupt", reason: "SOURCE_UNREACHABLE" });
    expect(server.requests.length).toBeLessThan(110);
  },
);

test("a listing of more objects than are allowed ends there", async () => {
  let page = 0;
  await using server = await startScriptedS3((socket, request) => listing([`k${++page}a`, `k${page}b`], `t${page}`)(socket, request));
  using client = clientFor(server);
  expect(await failureOf(listAll(client, 5))).toMatchObject({ kind: "exhausted", reason: "SOURCE_TOO_LARGE" });
  expect(page).toBe(3);
});

test.each([301, 302, 303, 307, 308])("a redirect (%d) is never followed", async (status) => {
  await using elsewhere = await startScriptedS3(content("secret"));
  await using server = await startScriptedS3(refusal(status, "", { location: `${elsewhere.endpoint}/bucket/key` }));
  using client = clientFor(server);
  expect(await failureOf(readAll(client))).toMatchObject({ kind: "invalid", reason: "SOURCE_UNREACHABLE" });
  expect(elsewhere.accepted()).toBe(0);
  expect(server.requests).toHaveLength(1);
});

test("a bucket of another region is named with it", async () => {
  await using server = await startScriptedS3(refusal(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }));
  using client = clientFor(server);
  const { metadata } = await failureOf(readAll(client));
  expect(metadata).toMatchObject({ region: "eu-west-1", hint: expect.stringContaining("eu-west-1") as unknown });
});

test.each([
  [404, "NoSuchKey", "notFound", "SOURCE_UNREACHABLE"],
  [404, "NoSuchBucket", "notFound", "SOURCE_UNREACHABLE"],
  [403, "AccessDenied", "forbidden", "SOURCE_ACCESS_DENIED"],
  [403, "SignatureDoesNotMatch", "unauthenticated", "SOURCE_ACCESS_DENIED"],
  [403, "RequestTimeTooSkewed", "precondition", "CLOCK_SKEW"],
  [412, "PreconditionFailed", "precondition", "SOURCE_CHANGED"],
  [416, "InvalidRange", "invalid", "FIELD_INVALID"],
  [403, "QuotaExceeded", "exhausted", "STORE_FULL"],
  [400, "constructor", "invalid", "SOURCE_UNREACHABLE"],
])("%d %s becomes %s/%s at once", async (status, code, kind, reason) => {
  await using server = await startScriptedS3(refusal(status, code));
  using client = clientFor(server);
  expect(await failureOf(readAll(client))).toMatchObject({ kind, reason, metadata: { s3Code: code } });
  expect(server.requests).toHaveLength(1);
});

test("what a server says of itself reaches people without control characters", async () => {
  await using server = await startScriptedS3(refusal(403, "Access&#27;Denied", {}, "&#27;[2J&#10;&#x202E;gone"));
  using client = clientFor(server);
  expect((await failureOf(readAll(client))).metadata).toMatchObject({ s3Code: "AccessDenied", s3Message: "?[2J??gone" });
});

test("headers without end are refused", async () => {
  await using server = await startScriptedS3(answer(200, { "x-long": "x".repeat(100_000) }));
  using client = clientFor(server, { triesMax: 1 });
  expect(await failureOf(readAll(client))).toMatchObject({ kind: "unavailable", reason: "SOURCE_UNREACHABLE" });
});

test("an address that the caller's policy refuses is not dialled, as a literal or behind a name", async () => {
  await using server = await startScriptedS3(content("secret"));
  const refuse = new DomainError("forbidden", "SOURCE_NOT_ALLOWED", "no");
  const asked: string[] = [];
  const addressPolicy = {
    check: (address: string) => {
      asked.push(address);
      throw refuse;
    },
  };
  using literal = clientFor(server, { addressPolicy });
  expect(await failureOf(readAll(literal))).toBe(refuse);
  using named = clientFor(server, { endpoint: `http://localhost:${server.port}`, addressPolicy });
  expect(await failureOf(readAll(named))).toBe(refuse);
  expect(server.accepted()).toBe(0);
  expect(asked.length).toBeGreaterThanOrEqual(2);
});

test("a peer that is not the address that was resolved is hung up on before it hears of the request", async () => {
  await using server = await startScriptedS3(content("secret"));
  const refuse = new DomainError("forbidden", "SOURCE_NOT_ALLOWED", "no");
  let asked = 0;
  const addressPolicy = {
    check: () => {
      if (++asked > 1) throw refuse;
    },
  };
  using client = clientFor(server, { addressPolicy });
  expect(await failureOf(readAll(client))).toBe(refuse);
  expect(server.requests).toHaveLength(0);
});

test("requests are anonymous without credentials, and carry the token of temporary ones", async () => {
  await using server = await startScriptedS3(content("here"));
  using anonymous = clientFor(server);
  await readAll(anonymous);
  using temporary = clientFor(server, { credentials: { accessKeyId: "A", secretAccessKey: "S", sessionToken: "T" } });
  await readAll(temporary);
  const [first, second] = server.requests;
  expect([...(first?.headers.keys() ?? [])].filter((name) => /^authorization|^x-amz-(date|content)/u.test(name))).toEqual([]);
  expect(second?.headers.get("x-amz-security-token")).toBe("T");
  expect(second?.headers.get("authorization")).toContain("x-amz-security-token");
});

test("the bucket stands in the host if that is wanted", async () => {
  await using server = await startScriptedS3(content("here"));
  using client = clientFor(server, {
    endpoint: `http://s3.example:${server.port}`,
    pathStyle: false,
    lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
  });
  expect(await readAll(client)).toBe("here");
  expect(server.requests[0]?.target).toBe("/key");
  expect(server.requests[0]?.headers.get("host")).toBe(`bucket.s3.example:${server.port}`);
});

test("a refusal in the middle of a large body ends the sending", async () => {
  await using server = await startScriptedS3(refusal(403, "AccessDenied", { connection: "close" }));
  using client = clientFor(server);
  let isEnded = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
    } finally {
      isEnded = true;
    }
  }
  const body = { sizeBytes: 1e12, open: endless };
  expect(await failureOf(client.putObject(ref, body, { signal }))).toMatchObject({ kind: "forbidden", reason: "SOURCE_ACCESS_DENIED" });
  await eventually(() => isEnded, Boolean, { withinMs: 5_000 });
});

test.each([
  ["fewer", 10],
  ["more", 2],
])("a body of %s bytes than it had said is not stored", async (_name, sizeBytes) => {
  await using server = await startScriptedS3(silence);
  using client = clientFor(server);
  async function* open(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from("four"));
  }
  expect(await failureOf(client.putObject(ref, { sizeBytes, open }, { signal }))).toMatchObject({ reason: "SOURCE_SIZE_MISMATCH" });
  await eventually(server.open, (count) => count === 0, { withinMs: 5_000 });
});

test("an error of the caller's own stream comes back as it is", async () => {
  await using server = await startScriptedS3(silence);
  using client = clientFor(server);
  const broken = new Error("disk");
  // eslint-disable-next-line require-yield
  async function* open(): AsyncGenerator<Uint8Array> {
    throw await Promise.resolve(broken);
  }
  await expect(client.putObject(ref, { sizeBytes: 4, open }, { signal })).rejects.toBe(broken);
  await expect(client.uploadObject(ref, open(), { signal })).rejects.toBe(broken);
});

test("an upload that ends with an error in a good answer is removed", async () => {
  await using server = await startScriptedS3((socket, request) => {
    if (request.method === "DELETE") return answer(204)(socket, request);
    if (request.method === "PUT") return answer(200, { etag: '"p"' })(socket, request);
    if (request.target.endsWith("uploads=")) return answer(200, {}, "<R><UploadId>u&amp;1</UploadId></R>")(socket, request);
    return refusal(200, "InternalError")(socket, request);
  });
  using client = clientFor(server);
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < 9; index++) yield await Promise.resolve(Buffer.alloc(1_048_576));
  }
  expect(await failureOf(client.uploadObject(ref, stream(), { signal }))).toMatchObject({
    kind: "unavailable",
    reason: "SOURCE_UNREACHABLE",
  });
  expect(server.requests.map(({ method, target }) => `${method} ${target}`).toSorted()).toEqual([
    "DELETE /bucket/key?uploadId=u%261",
    "POST /bucket/key?uploadId=u%261",
    "POST /bucket/key?uploads=",
    "PUT /bucket/key?partNumber=1&uploadId=u%261",
    "PUT /bucket/key?partNumber=2&uploadId=u%261",
  ]);
});

test.each([
  ["before the answer", silence],
  ["inside of the body", lie(10, "half", "stay")],
] as const satisfies readonly (readonly [string, ScriptedAnswer])[])(
  "an abort %s ends the connection with the caller's reason",
  async (_name, script) => {
    await using server = await startScriptedS3(script);
    using client = clientFor(server);
    const controller = new AbortController();
    const reading = readAll(client, { signal: controller.signal });
    await eventually(
      () => server.requests.length,
      (count) => count === 1,
      { withinMs: 5_000 },
    );
    const left = new Error("left");
    controller.abort(left);
    await expect(reading).rejects.toBe(left);
    await eventually(server.open, (open) => open === 0, { withinMs: 5_000 });
  },
);

test.each([
  ["may be left", { answerTimeoutMs: 60_000 }, "left"],
  ["is given up in time", { answerTimeoutMs: 60, triesMax: 1 }, expect.objectContaining({ kind: "timeout" })],
])("a request that waits for a free connection %s", async (_name, options, end) => {
  await using server = await startScriptedS3(lie(10, "half", "stay"));
  using client = clientFor(server, { connectionsMax: 1, ...options });
  using held = await client.getObject(ref, { signal });
  const controller = new AbortController();
  const waiting = readAll(client, { signal: controller.signal });
  if (end === "left") controller.abort(end);
  expect(await waiting.catch((error: unknown) => error)).toEqual(end);
  expect(held.bodyBytes).toBe(10);
  expect(server.accepted()).toBe(1);
});

test("a caller that left before it asked opens no connection", async () => {
  await using server = await startScriptedS3(content("here"));
  using client = clientFor(server, { connectionsMax: 1 });
  await expect(readAll(client, { signal: AbortSignal.abort("left") })).rejects.toBe("left");
  expect(await readAll(client)).toBe("here");
  expect(server.accepted()).toBe(1);
});

test("an upload takes no more of its stream than six parts while the server takes none", async () => {
  let partsBegun = 0;
  await using server = await startScriptedS3((socket, request) => {
    if (request.method === "POST") return answer(200, {}, "<R><UploadId>u</UploadId></R>")(socket, request);
    if (request.method === "DELETE") return answer(204)(socket, request);
    partsBegun++;
  });
  using client = clientFor(server, { answerTimeoutMs: 60_000 });
  let takenBytes = 0;
  const controller = new AbortController();
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (;;) {
      takenBytes += 1_048_576;
      yield await Promise.resolve(Buffer.alloc(1_048_576));
    }
  }
  const uploading = client.uploadObject(ref, stream(), { signal: controller.signal });
  await eventually(
    () => partsBegun,
    (count) => count === 4,
    { withinMs: 20_000 },
  );
  expect(takenBytes).toBeLessThanOrEqual(6 * 8 * 1_048_576);
  controller.abort(new Error("left"));
  await expect(uploading).rejects.toThrow("left");
  expect(partsBegun).toBe(4);
});

test("a part that fails ends an upload whose stream stands still", async () => {
  await using server = await startScriptedS3((socket, request) => {
    if (request.method === "POST") return answer(200, {}, "<R><UploadId>u</UploadId></R>")(socket, request);
    return request.method === "DELETE" ? answer(204)(socket, request) : refusal(403, "AccessDenied")(socket, request);
  });
  using client = clientFor(server);
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(17 * 1_048_576);
    await new Promise(() => undefined);
  }
  expect(await failureOf(client.uploadObject(ref, stream(), { signal }))).toMatchObject({ kind: "forbidden" });
  expect(server.requests.at(-1)?.method).toBe("DELETE");
});

test("a download that nobody reads is closed when it is disposed of", async () => {
  await using server = await startScriptedS3(lie(10, "half", "stay"));
  using client = clientFor(server);
  const download = await client.getObject(ref, { signal });
  download[Symbol.dispose]();
  await eventually(server.open, (open) => open === 0, { withinMs: 5_000 });
});

test.each(["ftp://host", "http://user:secret@host", "http://host?x", "not a URL"])("%s is no endpoint", (endpoint) => {
  expect(() => createS3Client({ endpoint })).toThrow(expect.objectContaining({ kind: "invalid", reason: "FIELD_INVALID" }));
});
