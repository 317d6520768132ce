import { DEFAULTS, EXECUTION_TRANSITIONS, JOB_TRANSITIONS, LIMITS, REASONS } from "@skrei/domain";
import { expect, test } from "vitest";

/** Documents that are made from the code. Re-record with `npm run test:unit -- -u`; the diff is the review. */

test("docs/states.md shows the state tables", async () => {
  const text = [
    "# States",
    "",
    "Made from `services/shared/domain/src/{job,execution}-state.ts` by `test/tidy`; do not edit.",
    "",
    "## Job",
    "",
    ...diagram(JOB_TRANSITIONS),
    "",
    "A rerun makes the next version of the job, which begins at `pending`.",
    "",
    "## Execution, as its node observes it",
    "",
    ...diagram(EXECUTION_TRANSITIONS),
    "",
    "Beside it the scheduler writes `desired` (`run`, `stop`) and `verdict` (`open`, `accepted`, `rejected`), and `lost` as the one",
    "exception to the rule that only the node writes the observed state.",
    "",
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../../docs/states.md");
});

test("docs/reasons.md lists every reason", async () => {
  const rows = Object.entries(REASONS).map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`);
  const text = [
    "# Reasons",
    "",
    "Every error, failure and refusal carries one of these. They are stable: programs may branch on them. Made from",
    "`services/shared/domain/src/reasons.ts` by `test/tidy`; do not edit.",
    "",
    "| Reason | Meaning |",
    "|---|---|",
    ...rows,
    "",
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../../docs/reasons.md");
});

test("docs/limits.md lists every limit and default", async () => {
  const text = [
    "# Limits and defaults",
    "",
    "Made from `services/shared/domain/src/limits.ts` by `test/tidy`; do not edit. Names end in their unit.",
    "",
    ...table("Limit", LIMITS),
    "",
    ...table("Default of a job", DEFAULTS),
    "",
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../../docs/limits.md");
});

function diagram(transitions: Readonly<Record<string, Partial<Record<string, string>>>>): string[] {
  const moves = Object.entries(transitions).flatMap(([from, events]) =>
    Object.entries(events).map(([event, to]) => `  ${from} --> ${to ?? ""}: ${event}`),
  );
  const [first = ""] = Object.keys(transitions);
  const ends = Object.keys(transitions).filter((state) => Object.keys(transitions[state] ?? {}).length === 0);
  return ["```mermaid", "stateDiagram-v2", `  [*] --> ${first}`, ...moves, ...ends.map((state) => `  ${state} --> [*]`), "```"];
}

function table(title: string, values: Readonly<Record<string, number>>): string[] {
  return [
    `| ${title} | Value |`,
    "|---|---:|",
    ...Object.entries(values).map(([name, value]) => `| \`${name}\` | ${value.toLocaleString("en-US")} |`),
  ];
}
