import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hash } from "node:crypto";
import { S3Target_Encoding as Encoding, Publisher_Type as Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { PublisherConfig } from "@skrei/publisher/config";
import { createPublisherService } from "@skrei/publisher/service";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createS3Client, type S3Client } from "@skrei/s3/client.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { startKuboServer } from "../kit/kubo-server.ts";
import { type S3Server, startS3Server } from "../kit/s3-server.ts";
import { treeFacts } from "../kit/tree-facts.ts";
import { type PublisherInit, startTestPublisher, type TestPublisher } from "./target-suite.ts";

const signal = new AbortController().signal;
const MIB = 1_048_576;

describe("S3", () => {
  let server: S3Server;
  let client: S3Client;
  let settings: Readonly<Record<string, unknown>>;
  let node: TestPublisher;

  beforeAll(async () => {
    server = await startS3Server();
    await server.request("PUT", "results");
    const { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } = server.credentials;
    settings = { s3Endpoint: server.endpoint, s3AccessKeyId, s3SecretAccessKey, targetTimeoutMs: 5_000 };
    client = createS3Client({ endpoint: server.endpoint, credentials: server.credentials });
    node = await startTestPublisher(settings);
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    client[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  test("without the bucket, or with other keys, refuses for good in its own words, and the cluster's store has the result", async () => {
    const { executionId, cid } = await node.stage(1);
    for (const encoding of [Encoding.FILES, Encoding.TAR_GZIP]) {
      await expect(node.publish(executionId, s3({ bucket: "nobody-made-it", encoding }))).rejects.toMatchObject({
        kind: "precondition",
        reason: "TARGET_REFUSED",
        message: expect.stringContaining("NoSuchBucket") as string,
      });
    }
    expect(await node.publish(executionId, { type: Type.CLUSTER })).toMatchObject({ cid, deliveryUrl: "" });
    await using other = await startTestPublisher({ ...settings, s3SecretAccessKey: "not-the-key" });
    await expect(other.publish((await other.stage(1)).executionId, s3({}))).rejects.toMatchObject({
      reason: "TARGET_REFUSED",
      message: expect.stringMatching(/SignatureDoesNotMatch|403/u) as string,
    });
  });

  test("is offered for the operator's buckets and endpoint alone", async () => {
    await using bound = await startTestPublisher({ ...settings, s3Buckets: "results,more" });
    await expect(bound.client.checkTarget({ publisher: s3({ endpoint: server.endpoint }) })).resolves.toBeDefined();
    await expect(bound.client.checkTarget({ publisher: s3({ bucket: "another" }) })).rejects.toMatchObject({
      reason: "TARGET_NOT_OFFERED",
      metadata: { hint: expect.stringContaining("s3Buckets") as string },
    });
    await expect(bound.client.checkTarget({ publisher: s3({ endpoint: "http://169.254.169.254" }) })).rejects.toMatchObject({
      reason: "TARGET_NOT_OFFERED",
      metadata: { hint: expect.stringContaining("s3Endpoint") as string },
    });
  });

  test(
    "that dies in the middle of an upload gets it again when it is back, and keeps nothing of the first try",
    { timeout: 120_000 },
    async () => {
      const { executionId } = await node.stage(96 * MIB);
      const target = s3({ encoding: Encoding.CAR });
      const publishing = node.publish(executionId, target);
      publishing.catch(() => undefined); // Looked at below.
      await eventually(
        () => server.request("GET", "results", { uploads: "" }),
        (answer) => answer.includes(executionId),
        {
          withinMs: 20_000,
          everyMs: 5,
        },
      );
      await server.kill();
      await expect(publishing).rejects.toMatchObject({ kind: "unavailable", reason: "TARGET_UNAVAILABLE" });
      await server.startAgain();
      expect(await server.request("GET", "results", { uploads: "" })).toContain(executionId);
      const { deliveryUrl } = await node.publish(executionId, target);
      expect(await server.request("GET", "results", { uploads: "" })).not.toContain("<Upload>");
      const key = deliveryUrl.replace("s3://results/", "");
      expect(await client.headObject({ bucket: "results", key }, { signal })).toMatchObject({ sizeBytes: expect.any(Number) as number });
    },
  );

  test("gets the same bytes for the same result, as archive of each kind", async () => {
    const { executionId } = await node.stage(2 * MIB);
    for (const encoding of [Encoding.TAR_GZIP, Encoding.TAR_ZSTD, Encoding.CAR]) {
      const { deliveryUrl } = await node.publish(executionId, s3({ encoding }));
      const first = await objectHash(deliveryUrl);
      await node.forgetDeliveries();
      await node.publish(executionId, s3({ encoding }));
      expect(await objectHash(deliveryUrl)).toBe(first);
    }
  });

  test("knows what a file is by its name", async () => {
    const { executionId } = await node.stage(1);
    const { deliveryUrl } = await node.publish(executionId, s3({ encoding: Encoding.FILES }));
    const key = deliveryUrl.replace("s3://results/", "");
    const link = client.presignGet({ bucket: "results", key: `${key}stdout` }, { expiresInS: 60 });
    const answer = await fetch(link);
    expect([answer.headers.get("content-type"), await answer.text()]).toEqual(["text/plain; charset=utf-8", "hello\n"]);
  });

  async function objectHash(url: string): Promise<string> {
    using download = await client.getObject({ bucket: "results", key: url.replace("s3://results/", "") }, { signal });
    const pieces: Uint8Array[] = [];
    for await (const piece of download.body) pieces.push(piece);
    return hash("sha256", Buffer.concat(pieces));
  }
});

test("an S3 server that is silent, busy or broken is away", async () => {
  let status = 503;
  const server = createServer((request, response) => {
    request.resume();
    if (status > 0)
      response.writeHead(status, { "content-type": "application/xml" }).end("<Error><Code>SlowDown</Code><Message>later</Message></Error>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const s3Endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { s3Endpoint, s3AccessKeyId: "key", s3SecretAccessKey: "secret", targetTimeoutMs: 200 };
  const node = await startTestPublisher(settings);
  try {
    const { executionId } = await node.stage(1);
    for (const next of [503, 500, 0]) {
      status = next;
      await expect(node.publish(executionId, s3({}))).rejects.toMatchObject({ kind: "unavailable", reason: "TARGET_UNAVAILABLE" });
    }
  } finally {
    await node[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  }
});

describe("a folder of the node", () => {
  let folder: string;
  let root: string;
  let node: TestPublisher;

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "skrei-refusals-")));
    root = join(folder, "root");
    mkdirSync(root);
    mkdirSync(join(folder, "outside"));
    node = await startTestPublisher({ publishFolders: root });
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(["/etc/skrei-{executionID}", "ROOT", "ROOT-beside/{executionID}", "relative/{executionID}", ""])(
    "is no place for %j, which the operator did not list",
    async (path) => {
      await expect(node.client.checkTarget({ publisher: local(path) })).rejects.toMatchObject({ reason: "TARGET_NOT_OFFERED" });
    },
  );

  test.each(["ROOT/../outside/x", "ROOT/./x", "ROOT//x", "ROOT/{jobID", "ROOT/{other}", "ROOT/x/", "ROOT/a/../../outside/x", "ROOT/a\nb"])(
    "is not left by %j",
    async (path) => {
      const { executionId } = await node.stage(1);
      await expect(node.publish(executionId, local(path))).rejects.toMatchObject({ kind: "precondition", reason: "TARGET_REFUSED" });
      expect(readdirSync(join(folder, "outside"))).toEqual([]);
    },
  );

  test("is not left by links on the way, at its end, or of a task's making", async () => {
    symlinkSync(join(folder, "outside"), join(root, "link"));
    symlinkSync(join(folder, "outside", "new"), join(root, "dangling"));
    const { executionId } = await node.stage(1);
    for (const path of ["ROOT/link/x", "ROOT/link", "ROOT/dangling", "ROOT/link/deep/x"])
      await expect(node.publish(executionId, local(path))).rejects.toMatchObject({ reason: "TARGET_REFUSED" });
    symlinkSync(join(folder, "outside"), join(root, `.${executionId}.part`));
    await node.publish(executionId, local("ROOT/beside-a-planted-link"));
    expect(readdirSync(join(folder, "outside"))).toEqual([]);
  });

  test("keeps what is there: other content refuses, the same content is done", async () => {
    const { executionId, facts } = await node.stage(1);
    for (const [name, make] of Object.entries({
      file: (path: string) => writeFileSync(path, "mine"),
      empty: (path: string) => mkdirSync(path),
      other: (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, "stdout"), "hello\n");
      },
    })) {
      make(join(root, name));
      const before = name === "file" ? {} : treeFacts(join(root, name));
      await expect(node.publish(executionId, local(`ROOT/${name}`))).rejects.toMatchObject({
        reason: "TARGET_REFUSED",
        message: expect.stringContaining("something else") as string,
      });
      if (name !== "file") expect(treeFacts(join(root, name))).toEqual(before);
    }
    await node.publish(executionId, local("ROOT/same"));
    await node.forgetDeliveries();
    await node.publish(executionId, local("ROOT/same"));
    await node.forgetDeliveries();
    writeFileSync(join(root, "same", "outputs", "added"), "");
    await expect(node.publish(executionId, local("ROOT/same"))).rejects.toMatchObject({ reason: "TARGET_REFUSED" });
    rmSync(join(root, "same", "outputs", "added"));
    writeFileSync(join(root, "same", "stdout"), "HELLO\n");
    await expect(node.publish(executionId, local("ROOT/same"))).rejects.toMatchObject({ reason: "TARGET_REFUSED" });
    expect(Object.keys(treeFacts(join(root, "same")))).toEqual(Object.keys(facts));
  });

  test("has no half of a result, and the half of an earlier try is no obstacle", async () => {
    const { executionId, facts } = await node.stage(1);
    const scratch = join(root, "halves", `.${executionId}.part`);
    mkdirSync(join(scratch, "outputs"), { recursive: true });
    writeFileSync(join(scratch, "outputs", "half"), "half");
    chmodSync(scratch, 0o500);
    await node.publish(executionId, local("ROOT/halves/whole"));
    expect(readdirSync(join(root, "halves"))).toEqual(["whole"]);
    expect(treeFacts(join(root, "halves", "whole"))).toEqual(facts);
  });

  function local(path: string): PublisherInit {
    return { type: Type.LOCAL, local: { path: path.replace("ROOT", root) } };
  }
});

describe("an IPFS node", () => {
  test.each([
    [403, "", "TARGET_REFUSED"],
    [404, "no such page", "TARGET_REFUSED"],
    [500, '{"Message":"disk is full","Code":0,"Type":"error"}', "TARGET_UNAVAILABLE"],
    [200, "<html>", "TARGET_UNAVAILABLE"],
  ])("that answers %d %s: %s", async (status, body, reason) => {
    await using kubo = await startKuboServer();
    await using node = await startTestPublisher({ ipfsRpcUrl: kubo.url });
    kubo.answerWith({ status, body });
    const { executionId } = await node.stage(1);
    await expect(node.publish(executionId, { type: Type.IPFS })).rejects.toMatchObject({ reason });
  });

  test("that has a result already is not sent it again", async () => {
    await using kubo = await startKuboServer();
    await using node = await startTestPublisher({ ipfsRpcUrl: kubo.url });
    const { executionId } = await node.stage(1);
    await node.publish(executionId, { type: Type.IPFS });
    await node.forgetDeliveries();
    await node.publish(executionId, { type: Type.IPFS });
    expect(kubo.calls.filter((call) => call === "dag/import")).toHaveLength(1);
  });
});

describe("a node's default target", () => {
  test("is where results go whose job names none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "skrei-default-"));
    await using node = await startTestPublisher({ publishFolders: folder, defaultTarget: `local:${folder}/{jobID}` });
    try {
      const { executionId } = await node.stage(1);
      expect(await node.publish(executionId, {})).toMatchObject({ deliveryUrl: `file://${folder}/j-1` });
      expect(existsSync(join(folder, "j-1", "stdout"))).toBe(true);
      expect(await node.publish(executionId, { type: Type.CLUSTER })).toMatchObject({ deliveryUrl: "" });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test.each([
    [{ defaultTarget: "nowhere" }, "allowed: cluster, ipfs"],
    [{ defaultTarget: "ipfs" }, "ipfsRpcUrl"],
    [{ defaultTarget: "s3://results/{executionID}" }, "s3AccessKeyId"],
    [{ defaultTarget: "s3://results/{nonsense}", s3AccessKeyId: "a", s3SecretAccessKey: "b" }, "{executionID}"],
    [{ defaultTarget: "local:/srv/{jobID}" }, "publishFolders"],
    [{ s3AccessKeyId: "only one" }, "s3SecretAccessKey"],
  ])("stops the start when it is %j", (settings, word) => {
    const config = PublisherConfig.parse({ dataFolder: "/nowhere", ...settings });
    expect(() => createPublisherService(config, { logger: silentLogger })).toThrow(
      expect.objectContaining({
        reason: "CONFIG_INVALID",
        violations: [expect.objectContaining({ message: expect.stringContaining(word) as string }) as unknown],
      }) as Error,
    );
  });
});

function s3({
  bucket = "results",
  encoding = Encoding.TAR_GZIP,
  endpoint = "",
}: {
  readonly bucket?: string;
  readonly encoding?: Encoding;
  readonly endpoint?: string;
}): PublisherInit {
  return { type: Type.S3, s3: { bucket, key: "r/{executionID}", encoding, endpoint } };
}
