import { hasReason } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { isSameSecret, signLink, verifyLink } from "./signed-link.ts";

const key = "k".repeat(43);
const cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
const link = { key, purpose: "upload", cid, expiresAtMs: 2_000, bytesMax: 5_000_000 } as const;

describe("a signed link", () => {
  test("says what it was made for", () => {
    expect(verifyLink({ key, purpose: "upload", token: signLink(link), nowMs: 1_999 })).toEqual({
      purpose: "upload",
      cid,
      expiresAtMs: 2_000,
      bytesMax: 5_000_000,
    });
  });

  test.each([
    ["another purpose", { purpose: "download" }],
    ["another key", { key: "x" }],
    ["the moment it ends", { nowMs: 2_000 }],
    ["an empty token", { token: "" }],
    ["a longer life", { token: signLink(link).replace(".1jk.", ".zzzz.") }],
    ["another root", { token: signLink(link).replace("bafybei", "bafybej") }],
    ["no signature", { token: signLink(link).replace(/\.[^.]*$/u, "") }],
    ["a signature cut short", { token: signLink(link).slice(0, -1) }],
    ["another quota", { token: signLink({ ...link, bytesMax: 1 }).replace(/^(.*)\.1\./u, "$1.2.") }],
  ] as const)("refuses %s", (_, change) => {
    const attempt = { key, purpose: "upload", token: signLink(link), nowMs: 1_000, ...change } as const;
    expect(() => verifyLink(attempt)).toThrow(expect.toSatisfy((error: unknown) => hasReason(error, "LINK_INVALID")));
  });

  test("compares secrets of any length", () => {
    expect(isSameSecret("a", "a")).toBe(true);
    expect(isSameSecret("a", "ab")).toBe(false);
    expect(isSameSecret("", "")).toBe(true);
  });
});
