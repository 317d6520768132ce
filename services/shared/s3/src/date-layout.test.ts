import { expect, test } from "vitest";
import { parseDateLayout } from "./date-layout.ts";

/** As Go's time.Parse and Format give it; undefined where Parse fails. */
test.each<readonly [layout: string, text: string, written: string | undefined]>([
  ["2006-01-02", "2024-02-29", "2024-02-29"],
  ["2006-01-02", "2023-02-29", undefined],
  ["2006-01-02", "2024-13-01", undefined],
  ["2006-01-02", "2024-1-01", undefined],
  ["2006-1-2", "2024-01-05", "2024-1-5"],
  ["Jan _2 2006", "feb  3 2024", "Feb  3 2024"],
  ["Monday, January 2", "Sunday, march 9", "Thursday, March 9"],
  ["Jane 2006", "Jane 2024", "Jane 2024"],
  ["03:04PM", "12:30AM", "12:30AM"],
  ["15:04", "7:05", "07:05"],
  ["15:04", "24:00", undefined],
  ["06", "69", "69"],
  ["2006-01-02T15:04:05Z07:00", "2023-01-01T15:30:00-07:00", "2023-01-01T15:30:00-07:00"],
  ["2006-01-02T15:04:05Z07:00", "2023-01-01T15:30:00+00:00", "2023-01-01T15:30:00Z"],
  ["year=2006/month=01", "year=2024/month=11", "year=2024/month=11"],
  ["2006.01", "2024x01", undefined],
])("reads %s in %s as %s", (layout, text, written) => {
  expect(parseDateLayout(layout)(text)).toBe(written);
});
