import { expect, test } from "vitest";
import { StorageFetcherConfig } from "../config.ts";
import { isStrongVersion, retryDelayMs } from "./http-retry.ts";

const MODIFIED = "Sun, 22 Nov 2026 08:00:00 GMT";

test.each<readonly [string, Partial<Parameters<typeof isStrongVersion>[0]>, boolean]>([
  ["a strong ETag", { etag: '"v1"' }, true],
  ["a weak ETag, whatever the time", { etag: 'W/"v1"', lastModified: MODIFIED, date: "Sun, 22 Nov 2026 09:00:00 GMT" }, false],
  ["a time a minute old", { lastModified: MODIFIED, date: "Sun, 22 Nov 2026 08:01:00 GMT" }, true],
  ["a time of just now", { lastModified: MODIFIED, date: "Sun, 22 Nov 2026 08:00:59 GMT" }, false],
  ["a time without the answer's", { lastModified: MODIFIED }, false],
  ["nothing", {}, false],
])("%s", (_, headers, isStrong) => {
  expect(isStrongVersion({ etag: "", lastModified: "", date: "", ...headers })).toBe(isStrong);
});

test("an origin may be away for half a minute before a download fails", () => {
  const { triesMax } = StorageFetcherConfig.parse({ dataFolder: "/data" });
  const waits = Array.from({ length: triesMax - 1 }, (_, i) => retryDelayMs(i + 2));
  expect(waits.reduce((sum, ms) => sum + ms)).toBeGreaterThan(30_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(20_000);
});
