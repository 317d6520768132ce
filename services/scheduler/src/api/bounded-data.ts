import { LIMITS } from "@skrei/domain";
import type { InputUse, Transfer } from "@skrei/domain";
import { cutText } from "../domain/cut-text.ts";

/** What a node tells of an execution's data, cut to bounds as what it tells of its network: it is stored and shown to everybody. */
export function boundedInputs(inputs: readonly InputUse[]): readonly InputUse[] {
  return inputs.slice(0, LIMITS.inputsMax).map(({ target, digest, sizeBytes, movedBytes }) => ({
    target: cutText(target, PATH_LENGTH_MAX),
    digest: cutText(digest, DIGEST_LENGTH_MAX),
    sizeBytes: boundedCount(sizeBytes),
    movedBytes: boundedCount(movedBytes),
  }));
}

export function boundedTransfer({ kind, bytesDone, bytesTotal, waiting }: Transfer): Transfer {
  return {
    kind,
    bytesDone: boundedCount(bytesDone),
    bytesTotal: boundedCount(bytesTotal),
    ...(waiting !== undefined && {
      waiting: {
        reason: waiting.reason,
        message: cutText(waiting.message, MESSAGE_LENGTH_MAX),
        sinceMs: boundedTime(waiting.sinceMs),
      },
    }),
  };
}

/** It is shown, never followed. */
export function boundedDeliveryUrl(url: string): string {
  return cutText(url, URL_LENGTH_MAX);
}

/** What has no date cannot be told in JSON. */
export function boundedTime(ms: number): number {
  return Math.min(DATE_MS_MAX, Math.max(0, ms));
}

function boundedCount(count: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, count));
}

/** The last moment of the year 9999. */
const DATE_MS_MAX = 253_402_300_799_999;
const PATH_LENGTH_MAX = 1_024;
const DIGEST_LENGTH_MAX = 128;
const MESSAGE_LENGTH_MAX = 1_024;
const URL_LENGTH_MAX = 2_048;
