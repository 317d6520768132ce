import { aTask, anAssignment } from "../../../../../test/kit/an-assignment.ts";
import { newRecord } from "../../domain/execution-record.ts";
import { SqliteJournal } from "../execution-journal.ts";

/** Saves one record again and again until it is killed, and says after each save how often it was acknowledged. */
const journal = new SqliteJournal(process.argv[2] ?? "");
const { records } = journal.read();
const record = records[0] ?? newRecord(anAssignment(aTask("true")));
for (let revision = record.revision + 1; ; revision++) {
  await journal.save({ appliedToken: `c.${revision}`, records: [{ ...record, revision }], forgotten: [] });
  process.send?.(revision);
}
