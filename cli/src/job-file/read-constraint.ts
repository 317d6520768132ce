import type { Constraint } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { refuseFeature } from "../parse/refused-features.ts";
import type { FieldCursor } from "./field-cursor.ts";
import { raise } from "../parse/raise.ts";

const OPERATORS: Readonly<Record<string, Constraint["operator"]>> = {
  "=": "=",
  "==": "=",
  "!=": "!=",
  in: "in",
  notin: "notin",
  exists: "exists",
  "!": "!",
  gt: "gt",
  lt: "lt",
};

/** `{Key, Operator, Values}` of Bacalhau. */
export function readConstraint(item: FieldCursor): Constraint | undefined {
  let key: string | undefined;
  let operator: Constraint["operator"] | undefined;
  let values: readonly string[] = [];
  item.fields({
    Key: (field) => {
      key = field.text();
      if (key?.startsWith("favour_") === true)
        field.attempt(() => raise(refuseFeature("Soft preferences (favour_…) are", "Use a constraint without favour_, or leave it out.")));
    },
    Operator: (field) => (operator = readOperator(field)),
    Values: (field) => (values = field.strings()),
  });
  if (key === undefined) item.problem("FIELD_REQUIRED", "a constraint needs a Key.");
  if (operator === undefined || key === undefined) return undefined;
  const expected = expectedValues(operator);
  if (!expected.fits(values))
    return item.problem(
      "FIELD_INVALID",
      `operator ${operator} takes ${expected.words}; there ${values.length === 1 ? "is 1" : `are ${values.length}`}.`,
    );
  return { key, operator, values };
}

function readOperator(field: FieldCursor): Constraint["operator"] | undefined {
  const text = field.text()?.trim();
  if (text === undefined) return undefined;
  return (
    OPERATORS[text.toLowerCase()] ??
    field.problem(
      "FIELD_INVALID",
      `unknown operator "${text}"${suggestion(text, Object.keys(OPERATORS)) || `; expected one of ${Object.keys(OPERATORS).join(" ")}`}.`,
    )
  );
}

function expectedValues(operator: Constraint["operator"]): { words: string; fits(values: readonly string[]): boolean } {
  switch (operator) {
    case "in":
    case "notin":
      return { words: "at least one value", fits: (values) => values.length > 0 };
    case "exists":
    case "!":
      return { words: "no values", fits: (values) => values.length === 0 };
    case "gt":
    case "lt":
      return { words: "one whole number", fits: ([value, ...more]) => more.length === 0 && /^-?\d+$/u.test(value ?? "") };
    case "=":
    case "!=":
      return { words: "exactly one value", fits: (values) => values.length === 1 };
  }
}
