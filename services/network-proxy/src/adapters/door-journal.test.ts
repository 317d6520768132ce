import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { NO_NETWORK_USE } from "../domain/use-count.ts";
import type { DoorRecord } from "../ports.ts";
import { SqliteDoorJournal } from "./door-journal.ts";

const RECORD: DoorRecord = {
  executionId: "e-1",
  owner: "n-1",
  secret: "s",
  network: { mode: "http", domains: ["a.test"], egressBytesMax: 0 },
  clusterUrls: [],
  openedAtMs: 1,
  use: NO_NETWORK_USE,
};

test("says that it cannot be written, with what to do", () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const journal = new SqliteDoorJournal(join(folder, "doors.db"));
  journal.add(RECORD);
  expect(journal.read()).toEqual([RECORD]);
  journal[Symbol.dispose]();
  const refused = expect.objectContaining({ reason: "STORE_UNAVAILABLE", metadata: { hint: expect.stringContaining("disk") } });
  expect(() => journal.add(RECORD)).toThrow(refused);
  expect(() => journal.remove(RECORD.executionId)).toThrow(refused);
});
