import { DomainError } from "@skrei/domain";
import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { renderError } from "./render-error.ts";

const render = (error: DomainError): readonly string[] => renderError(error, createTestTerminal().stderr);

test("begins with a capital and asks with one question mark", () => {
  expect(render(new DomainError("invalid", "FIELD_INVALID", 'the engine is unknown; did you mean "docker"?.'))).toEqual([
    'error: The engine is unknown; did you mean "docker"?',
    "  code: FIELD_INVALID",
  ]);
});

test("has no why without candidates, nor one that repeats the error, nor a fix that is none", () => {
  const metadata = { candidates: "", hint: "" };
  const violations = [{ field: "name", message: "found X", reason: "FIELD_INVALID" as const }];
  expect(render(new DomainError("invalid", "SPEC_INVALID", "name: found X.", { metadata, violations }))).toEqual([
    "error: name: found X",
    "  code: SPEC_INVALID",
  ]);
});

test("lists all problems", () => {
  const violations = ["a", "b"].map((field) => ({ field, message: "bad", reason: "FIELD_INVALID" as const }));
  expect(render(new DomainError("invalid", "SPEC_INVALID", "two problems", { violations })).slice(1, 3)).toEqual([
    "   why: a bad",
    "  also: b bad",
  ]);
});
