import { DomainError } from "@skrei/domain";
import type { StateChange } from "../ports.ts";

/** The change does not continue the store. Nothing of it was written; an earlier write of unknown outcome may have been. */
export function sequenceMismatch(change: StateChange, lastSequence: number): DomainError {
  const first = change.events[0]?.sequence;
  const what = first === undefined ? "A change without events" : `A change whose events begin at ${first}`;
  return new DomainError("conflict", "SEQUENCE_MISMATCH", `${what} does not continue the store, whose last event is ${lastSequence}.`, {
    hint: "Load the state again; a write of unknown outcome has happened.",
    metadata: { lastSequence: String(lastSequence) },
  });
}
