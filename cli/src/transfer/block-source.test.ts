import { hash } from "node:crypto";
import { DomainError } from "@skrei/domain";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { expect, test } from "vitest";
import { GatewayBlocks } from "./block-source.ts";
import { progressText } from "./transfer-progress.ts";

const wanted = Buffer.from("wanted");
const wantedCid = rawCid(hash("sha256", wanted, "buffer"));

function section(bytes: Buffer): Buffer {
  const cid = rawCid(hash("sha256", bytes, "buffer"));
  return Buffer.concat([Buffer.of(cid.bytes.length + bytes.length), cid.bytes, bytes]);
}

const header = Buffer.from([3, ...Buffer.from("hdr")]);

function blocksOf(answers: () => readonly Buffer[]): { readonly source: GatewayBlocks; readonly links: () => number } {
  let links = 0;
  const source = new GatewayBlocks({
    createLink: () => Promise.resolve(`http://gateway.invalid/ipfs/${(links += 1)}`),
    get: async (_address, _signal, push) => {
      for (const piece of answers()) push(piece);
      await Promise.resolve();
    },
    signal: new AbortController().signal,
    triesMax: 4,
    backoffMs: 1,
  });
  return { source, links: () => links };
}

async function outcomeOf(source: GatewayBlocks): Promise<string> {
  const taken: string[] = [];
  return source
    .fetch([wantedCid], (_cid, bytes) => taken.push(Buffer.from(bytes).toString()))
    .then(
      () => taken.join(","),
      (error: unknown) => (error instanceof DomainError ? `${error.reason} ${error.message}` : Promise.reject(error)),
    );
}

test("reads a download in pieces of any size", async () => {
  const whole = Buffer.concat([header, section(wanted)]);
  for (let size = 1; size <= whole.length; size++) {
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) => whole.subarray(index * size, (index + 1) * size));
    expect(await outcomeOf(blocksOf(() => pieces).source)).toBe("wanted");
  }
});

test("tries a bounded number of times when nothing comes", async () => {
  let tries = 0;
  const { source, links } = blocksOf(() => {
    tries += 1;
    return [header];
  });
  expect(await outcomeOf(source)).toMatch(/^UPSTREAM_UNAVAILABLE .*1 blocks too early/u);
  expect({ tries, links: links() }).toEqual({ tries: 4, links: 1 });
});

test("asks for a new link a bounded number of times", async () => {
  const { source, links } = blocksOf(() => {
    throw new DomainError("forbidden", "LINK_INVALID", "ended");
  });
  expect(await outcomeOf(source)).toBe("LINK_INVALID ended");
  expect(links()).toBe(4);
});

test("refuses at once what is wrong and not only cut", async () => {
  const damaged = section(wanted);
  damaged[damaged.length - 1] = 0;
  expect(await outcomeOf(blocksOf(() => [header, damaged]).source)).toMatch(/^RESULT_CORRUPT .*does not match its content id/u);
  expect(await outcomeOf(blocksOf(() => [header, section(Buffer.from("stranger"))]).source)).toMatch(/was not asked for/u);
  expect(await outcomeOf(blocksOf(() => [header, Buffer.from([0xff, 0xff, 0xff, 0x7f])]).source)).toMatch(/at most 2097152 are valid/u);
  expect(await outcomeOf(blocksOf(() => [header, Buffer.alloc(16, 0xff)]).source)).toMatch(/a length that is no number/u);
});

test("says how much is done, how fast it goes and how long it will take", () => {
  expect(progressText({ doneBytes: 1_200_000_000, totalBytes: 3_400_000_000, elapsedMs: 6_000 })).toBe(
    "  1.2GB of 3.4GB · 200MB/s · 11 s left",
  );
  expect(progressText({ doneBytes: 0, totalBytes: 10, elapsedMs: 1_000 })).toBe("  0B of 10B · 0B/s");
  expect(progressText({ doneBytes: 1, totalBytes: 10_000, elapsedMs: 999 })).toBe("  1B of 10kB");
  expect(progressText({ doneBytes: 10, totalBytes: 10_000, elapsedMs: 10_000 })).toContain("2 h 46 min left");
});
