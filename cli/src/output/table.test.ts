import { DomainError } from "@skrei/domain";
import { NodeSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { printListing } from "./format.ts";
import type { Format } from "./format.ts";
import { renderError } from "./render-error.ts";
import { renderTable } from "./table.ts";

const NODES = ["a", "世界"].map((name, index) => create(NodeSchema, { nodeId: `n-${index}`, name, executions: index }));

async function listed(format: Format): Promise<string> {
  const terminal = createTestTerminal();
  const columns = [
    { header: "ID", value: ({ nodeId }: (typeof NODES)[number]) => nodeId },
    { header: "RUNS", value: ({ executions }: (typeof NODES)[number]) => String(executions), isRight: true, isWide: true },
  ];
  await printListing(terminal, { schema: NodeSchema, records: NODES, columns, nameOf: ({ nodeId }) => nodeId, format });
  return terminal.written.stdout;
}

test.for([
  ["table", "ID\nn-0\nn-1\n"],
  ["wide", "ID   RUNS\nn-0     0\nn-1     1\n"],
  ["name", "n-0\nn-1\n"],
  ["jsonl", '{"nodeId":"n-0","name":"a"}\n{"nodeId":"n-1","name":"世界","executions":1}\n'],
  ["yaml", "- nodeId: n-0\n  name: a\n- nodeId: n-1\n  name: 世界\n  executions: 1\n"],
] as const)("prints a list as %s", async ([format, text]) => {
  expect(await listed(format)).toBe(text);
});

test("prints JSON as an array of the API's own JSON", async () => {
  expect(JSON.parse(await listed("json"))).toEqual([
    { nodeId: "n-0", name: "a" },
    { nodeId: "n-1", name: "世界", executions: 1 },
  ]);
});

test("aligns wide letters, cuts nothing and cleans every cell", () => {
  const rows = [
    ["世界", "x"],
    ["a\u001B[31mb\nc", "y".repeat(200)],
  ] as const;
  const lines = renderTable({
    rows,
    columns: [
      { header: "A", value: ([first]) => first },
      { header: "B", value: ([, second]) => second },
    ],
    output: createTestTerminal().stdout,
  });
  expect(lines).toEqual(["A     B", "世界  x", `ab c  ${"y".repeat(200)}`]);
});

test("says error, why, code and last the fix, and lets nothing of a peer move the cursor", () => {
  const error = new DomainError("invalid", "SPEC_INVALID", "job.yaml has 2 problems.\u001B[2J", {
    violations: [
      { field: "job.yaml:1:1", message: "one", reason: "FIELD_INVALID" },
      { field: "job.yaml:2:1", message: "two\r\u001B]0;x\u0007", reason: "FIELD_INVALID" },
    ],
    metadata: { requestId: "r-1" },
    hint: "mend it",
  });
  expect(renderError(error, createTestTerminal().stderr)).toEqual([
    "error: job.yaml has 2 problems",
    "   why: job.yaml:1:1 one",
    "  also: job.yaml:2:1 two",
    "  code: SPEC_INVALID · request r-1",
    "   fix: Mend it",
  ]);
});
