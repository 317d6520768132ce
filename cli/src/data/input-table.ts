import type { Execution, InputUse } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { InputSource } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import type { Output } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { newestByPartition } from "../run/list-executions.ts";
import { describeDivision, describeSource } from "./source-words.ts";

/** With more parts that differ than this, the rest is counted. */
const PARTS_SHOWN = 8;

interface InputRow {
  readonly input: InputSource;
  /** Empty for all parts alike. */
  readonly part: string;
  readonly use: InputUse | undefined;
  readonly moved: string;
}

/** The inputs of a job: one line where all parts got the same, else one for each part. */
export function renderInputs(job: Job, executions: readonly Execution[], output: Output): readonly string[] {
  const inputs = job.spec?.task?.inputs ?? [];
  const attempts = [...newestByPartition(executions).values()].toSorted((a, b) => a.partition - b.partition);
  const rows = inputs.flatMap((input) => rowsOf(input, attempts));
  const columns = rows.some(({ part }) => part !== "") ? COLUMNS : COLUMNS.filter(({ header }) => header !== "PART");
  return renderTable({ rows, columns, output });
}

const COLUMNS: readonly Column<InputRow>[] = [
  { header: "INPUT", value: ({ input }) => input.target },
  { header: "PART", value: ({ part }) => part || "all", isRight: true },
  { header: "SIZE", value: ({ use }) => (use === undefined ? "-" : formatBytes(Number(use.sizeBytes))), isRight: true },
  { header: "MOVED", value: ({ moved }) => moved },
  { header: "SOURCE", value: ({ input }) => [nameOf(input), describeDivision(input)].filter((word) => word !== "").join(", ") },
  { header: "CONTENT", value: ({ input, use }) => contentOf(input, use) },
];

function rowsOf(input: InputSource, attempts: readonly Execution[]): readonly InputRow[] {
  const uses = attempts.flatMap(({ partition, inputs }) => {
    const use = inputs.find(({ target }) => target === input.target);
    return use === undefined ? [] : [{ partition, use }];
  });
  const [first] = uses;
  if (first === undefined) return [{ input, part: "", use: undefined, moved: "-" }];
  const isAlike = uses.every(({ use }) => use.digest === first.use.digest && use.sizeBytes === first.use.sizeBytes);
  if (isAlike)
    return [
      {
        input,
        part: "",
        use: first.use,
        moved: describeMoved(
          input,
          uses.map(({ use }) => use),
        ),
      },
    ];
  const rows = uses
    .slice(0, PARTS_SHOWN)
    .map(({ partition, use }) => ({ input, part: String(partition), use, moved: describeMoved(input, [use]) }));
  const rest = uses.slice(PARTS_SHOWN).map(({ use }) => use);
  return rest.length === 0 ? rows : [...rows, { input, part: `+${rest.length}`, use: undefined, moved: describeMoved(input, rest) }];
}

/** `cached`, `1.2GB`, `1.2GB by 1 of 3 parts`; a path of the node is read in place. */
function describeMoved({ source }: InputSource, uses: readonly InputUse[]): string {
  if (source.case === "local") return "in place";
  if (source.case === "inline") return "with the job";
  const moving = uses.filter(({ movedBytes }) => movedBytes > 0n);
  if (moving.length === 0) return "cached";
  const bytes = formatBytes(Number(moving.reduce((sum, { movedBytes }) => sum + movedBytes, 0n)));
  return uses.length === 1 ? bytes : `${bytes} by ${moving.length} of ${uses.length} parts`;
}

/** What content was named as, such as `job:j-…/out`, says more than its id, which stands beside it. */
function nameOf(input: InputSource): string {
  return input.source.case === "content" && input.alias !== "" ? input.alias : describeSource(input);
}

/** Nothing where the source says it already. */
function contentOf(input: InputSource, use: InputUse | undefined): string {
  const isNamed = nameOf(input) !== describeSource(input);
  if (use === undefined || use.digest === "") return isNamed ? describeSource(input) : "-";
  return !isNamed && describeSource(input) === use.digest ? "as named" : use.digest;
}
