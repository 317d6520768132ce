import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseRequestedSpec } from "@skrei/wire/parse-job-spec.ts";
import { expect, test } from "vitest";
import { readJobFile } from "../job-file/read-job-file.ts";
import { resolveForPlan } from "../run/plan-draft.ts";

const DOCUMENT = fileURLToPath(new URL("../../../docs/network.md", import.meta.url));
const JOBS = [...readFileSync(DOCUMENT, "utf8").matchAll(/^```yaml\n(name: [^]*?)^```/gimu)].map(([, text = ""]) => text);

test("the job files of docs/network.md are whole, and both say the same", async () => {
  const specs = await Promise.all(
    JOBS.map(async (text) => parseRequestedSpec(await resolveForPlan(readJobFile({ text, fileName: "job.yaml" }), "/"))),
  );
  expect(specs.map(({ task }) => task.network)).toEqual([
    { mode: "http", domains: ["api.example.com", ".example.org"], egressBytesMax: 0 },
    { mode: "http", domains: ["api.example.com", ".example.org"], egressBytesMax: 10_000_000 },
  ]);
});
