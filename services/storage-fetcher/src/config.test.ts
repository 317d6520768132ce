import { loadConfig } from "@skrei/platform/config.ts";
import { expect, test } from "vitest";
import { StorageFetcherConfig } from "./config.ts";

function allowing(text: string): readonly string[] {
  const env = { SKREI_STORAGE_FETCHER_ALLOWED_LOCAL_PATHS: text, SKREI_STORAGE_FETCHER_DATA_FOLDER: "/data" };
  return loadConfig(StorageFetcherConfig, { service: "storage-fetcher", argv: [], env }).config.allowedLocalPaths;
}

test.each(["/data:rx", "/data:RW", "/data:", "/data:ro:rw", "data", "./data:rw"])("%s is no folder that jobs may name", (text) => {
  expect(() => allowing(text)).toThrow(
    expect.objectContaining({
      reason: "CONFIG_INVALID",
      violations: [expect.objectContaining({ message: expect.stringContaining("absolute, with :ro, :rw or nothing at its end") })],
    }),
  );
});

test("folders may end in :ro, :rw or nothing, and have a colon in the names above", () => {
  expect(allowing("/,/data/,/a:b/c:rw,/d:ro")).toEqual(["/", "/data/", "/a:b/c:rw", "/d:ro"]);
});
