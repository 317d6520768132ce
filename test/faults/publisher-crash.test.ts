import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { startServiceProcess } from "../kit/service-process.ts";

const RESULT_BYTES_MAX = 1_000_000_000n;

test("staging that kill -9 interrupts gives the same answer when it is repeated", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-crash-"));
  try {
    const source = join(folder, "source");
    mkdirSync(join(source, "outputs", "many"), { recursive: true });
    writeFileSync(join(source, "outputs", "large"), randomBytes(64 * 1_048_576));
    for (let index = 0; index < 3_000; index++) writeFileSync(join(source, "outputs", "many", `file-${index}`), `content ${index}`);
    const expected = await stage(folder, copyOf(source, folder));
    for (const isReached of stagesOf(join(folder, "data", "store"))) {
      const request = copyOf(source, folder);
      await using doomed = await startServiceProcess("publisher", { "data-folder": join(folder, "data") });
      const staging = createClient(PublishService, createHttpTransport({ url: doomed.url })).stageResult({
        ...request,
        bytesMax: RESULT_BYTES_MAX,
      });
      let outcome = "";
      const settled = staging
        .then(
          ({ cid }) => cid,
          () => "killed",
        )
        .then((text) => (outcome = text));
      await eventually(() => outcome !== "" || isReached(request.executionId), Boolean, { withinMs: 20_000, everyMs: 1 });
      await doomed.kill();
      expect([expected, "killed"]).toContain(await settled);
      expect(await stage(folder, request)).toBe(expected);
      expect(existsSync(request.folder)).toBe(false);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Moments of a staging: called, moved in, and ever more of the index written. */
function stagesOf(store: string): ((executionId: string) => boolean)[] {
  const logBytes = (): number => statSync(join(store, "index.sqlite-wal"), { throwIfNoEntry: false })?.size ?? 0;
  const isIn = (executionId: string): boolean => existsSync(join(store, "results", executionId));
  return [
    () => true,
    isIn,
    ...[1, 100_000, 400_000, 800_000, 1_200_000].map((bytes) => (executionId: string) => isIn(executionId) && logBytes() > bytes),
  ];
}

interface StageArguments {
  readonly executionId: string;
  readonly folder: string;
}

async function stage(folder: string, request: StageArguments): Promise<string> {
  await using publisher = await startServiceProcess("publisher", { "data-folder": join(folder, "data") });
  const client = createClient(PublishService, createHttpTransport({ url: publisher.url }));
  const { cid } = await client.stageResult({ ...request, bytesMax: RESULT_BYTES_MAX });
  let published = "";
  for await (const { event } of client.publishResult({ executionId: request.executionId, provenance: {} }))
    if (event.case === "done") published = event.value.cid;
  expect(published).toBe(cid);
  await client.dropResult({ executionId: request.executionId });
  return cid;
}

function copyOf(source: string, folder: string): StageArguments {
  const executionId = randomExecutionId();
  const copy = join(folder, `work-${executionId}`);
  cpSync(source, copy, { recursive: true });
  return { executionId, folder: copy };
}
