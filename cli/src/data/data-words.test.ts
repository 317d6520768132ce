import { create } from "@bufbuild/protobuf";
import { KeptDataSchema, KeptData_Kind } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { GetCacheStateResponseSchema } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { GetStoreStateResponseSchema } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { timestampFromMs } from "@skrei/wire/time.ts";
import { expect, test } from "vitest";
import { renderTable } from "../output/table.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { parseDataReference, parsePinName } from "./data-reference.ts";
import { endsOf, keptColumns } from "./kept-words.ts";
import { barOf, describeCache, describeStore, hitRateOf } from "./state-words.ts";

const CID = "bafybeifx7yeb55armcsxwwitkymga5xf53dxiarykms3ygqic223w5sk3m";

test.for([
  [CID, { cid: CID }, []],
  [`cid:${CID}/a/b`, { cid: CID }, ["a", "b"]],
  [`ipfs://${CID}//a/./b/`, { cid: CID }, ["a", "b"]],
  [`/ipfs/${CID}/läs.txt`, { cid: CID }, ["läs.txt"]],
  [
    "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/readme",
    { cid: "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34" },
    ["readme"],
  ],
  ["corpus-2026.v1/x", { name: "corpus-2026.v1" }, ["x"]],
] as const)("reads %s", ([text, root, path]) => {
  expect(parseDataReference(text)).toEqual({ root, path });
});

test.for(["", "/", "Corpus", "-x", "cid:corpus", `${CID}/../x`, `${CID.slice(0, -1)}!`, "a b", "../x"])("refuses %j as data", (text) => {
  expect(() => parseDataReference(text)).toThrow(expect.objectContaining({ reason: "FIELD_INVALID" }));
});

test("a name is none that reads as a content id", () => {
  expect(parsePinName("corpus")).toBe("corpus");
  expect(() => parsePinName(CID)).toThrow(/is no name for data/u);
});

test("says of each thing that is kept until when, and cleans its name", () => {
  const nowMs = 1_000_000;
  const { stdout } = createTestTerminal();
  const rows = [
    { kind: KeptData_Kind.RESULT, jobId: "j-01" },
    { kind: KeptData_Kind.UPLOAD, expireTime: timestampFromMs(nowMs + 3_600_000) },
    { kind: KeptData_Kind.PIN, name: "evil\u001B[31m\nname" },
    { kind: KeptData_Kind.PIN, name: "old", expireTime: timestampFromMs(nowMs) },
    { kind: 99 as KeptData_Kind },
  ].map((row) => create(KeptDataSchema, { cid: "bafy", sizeBytes: 1_500n, createTime: timestampFromMs(0), ...row }));
  const columns = keptColumns(nowMs).filter(({ isWide }) => isWide !== true);
  expect(renderTable({ rows, columns, output: stdout })).toEqual([
    "KIND    NAME       CID    SIZE  JOB   ENDS",
    "result  -          bafy  1.5kB  j-01  with its job",
    "upload  -          bafy  1.5kB  -     in 1h",
    "pin     evil name  bafy  1.5kB  -     for good",
    "pin     old        bafy  1.5kB  -     ended",
    "other   -          bafy  1.5kB  -     for good",
  ]);
});

test("says of what is kept when that ends", () => {
  expect(endsOf(create(KeptDataSchema, { kind: KeptData_Kind.PIN }), 0)).toBe("for good");
  expect(endsOf(create(KeptDataSchema, { kind: KeptData_Kind.PIN, expireTime: timestampFromMs(60_000) }), 0)).toBe("ends in 1m");
  expect(endsOf(create(KeptDataSchema, { kind: KeptData_Kind.PIN, expireTime: timestampFromMs(0) }), 1)).toBe("ended");
  expect(endsOf(create(KeptDataSchema, { kind: KeptData_Kind.RESULT, jobId: "j-01" }), 0)).toBe("ends with its job");
});

test("shows a budget as a bar that never leaves its frame, and none where there is none", () => {
  expect(barOf({ sizeBytes: 0n, bytesMax: 10n })).toBe("[----------]   0%");
  expect(barOf({ sizeBytes: 3n, bytesMax: 10n })).toBe("[###-------]  30%");
  expect(barOf({ sizeBytes: 999n, bytesMax: 1_000n })).toBe("[##########]  99%");
  expect(barOf({ sizeBytes: 30n, bytesMax: 10n })).toBe("[##########] 100%");
  expect(barOf({ sizeBytes: 3n, bytesMax: 0n })).toBe("");
});

test("tells the hit rate of a cache once there was a fetch", () => {
  const cache = create(GetCacheStateResponseSchema, {
    entries: 2,
    pinnedEntries: 1,
    sizeBytes: 1_000n,
    bytesMax: 4_000n,
    freeBytes: 9_000n,
    freeBytesMin: 500n,
  });
  expect(hitRateOf(cache)).toBe("-");
  expect(describeCache(cache)).toBe("1kB of 4kB, 2 entries (1 in use), no fetch yet, 9kB free (500B stay free)");
  expect(describeCache({ ...cache, entries: 1, hits: 3n, misses: 1n, hitBytes: 3_000n })).toBe(
    "1kB of 4kB, 1 entry (1 in use), hit rate 75% (3 of 4 fetches, 3kB not moved), 9kB free (500B stay free)",
  );
});

test("tells of a store what nothing keeps", () => {
  const store = create(GetStoreStateResponseSchema, { sizeBytes: 5_000n, results: 1, pins: 2, unpinnedBytes: 70n, freeBytes: 9_000n });
  expect(describeStore(store)).toBe("5kB, 1 result, 2 pins, 70B that nothing keeps, 9kB free");
});
