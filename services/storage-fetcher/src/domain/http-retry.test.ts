import { expect, test } from "vitest";
import { isStrongVersion } from "./http-retry.ts";

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
