import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { expect, test } from "vitest";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { startServiceProcess } from "../kit/service-process.ts";

test("a result that one node publishes is an input of another, file for file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-round-trip-"));
  const publishToken = "only-for-this-test";
  try {
    await using cluster = await startServiceProcess("publisher", { "data-folder": join(folder, "cluster"), "publish-token": publishToken });
    await using node = await startServiceProcess("publisher", {
      "data-folder": join(folder, "node"),
      "publish-token": publishToken,
      "upstream-url": cluster.url,
    });
    await using fetcher = await startServiceProcess("storage-fetcher", {
      "data-folder": join(folder, "fetcher"),
      "publish-token": publishToken,
      "publisher-url": cluster.url,
    });
    const source = makeTree(join(folder, "source"));
    const copy = join(folder, "copy");
    cpSync(source, copy, { recursive: true, verbatimSymlinks: true });
    const executionId = randomExecutionId();
    const publisher = createClient(PublishService, createHttpTransport({ url: node.url }));
    const { cid } = await publisher.stageResult({ executionId, folder: copy, bytesMax: 100_000_000n });
    let bytesPushed = 0n;
    for await (const { event } of publisher.publishResult({ executionId, provenance: {} }))
      if (event.case === "progress") bytesPushed = event.value.bytesDone > bytesPushed ? event.value.bytesDone : bytesPushed;
    expect(bytesPushed).toBeGreaterThan(9_000_000n);
    const input = { target: "/inputs", source: { case: "content" as const, value: { cid } } };
    let path = "";
    for await (const { event } of createClient(FetchService, createHttpTransport({ url: fetcher.url })).fetchInput({
      leaseId: executionId,
      input,
      bytesMax: 100_000_000n,
    })) {
      if (event.case === "ready") path = event.value.path;
    }
    expect(execFileSync("diff", ["--recursive", "--no-dereference", source, path], { encoding: "utf8" })).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);

function makeTree(root: string): string {
  mkdirSync(join(root, "outputs", "many"), { recursive: true });
  mkdirSync(join(root, "outputs", "empty"));
  writeFileSync(join(root, "outputs", "large"), randomBytes(9 * 1_048_576 + 1));
  writeFileSync(join(root, "stdout"), "");
  symlinkSync("../stdout", join(root, "outputs", "link"));
  // More names than fit into one block of a folder.
  for (let index = 0; index < 6_000; index++)
    writeFileSync(join(root, "outputs", "many", `file-${index}-${"x".repeat(20)}`), `content ${index}`);
  return root;
}
