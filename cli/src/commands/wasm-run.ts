import { defineCommand } from "../command.ts";
import { listFlag, text, valueFlag } from "../flags.ts";
import { refuseFeature } from "../parse/refused-features.ts";
import { FOLLOW_FLAGS, JOB_FLAGS } from "../run/job-flags.ts";
import { runJob } from "../run/run-job.ts";
import { wasmDraft } from "./engine-drafts.ts";
import { RUN_EXIT_CODES } from "./run.ts";

export const wasmRun = defineCommand({
  path: "wasm run",
  summary: "Run a WASI module as a job and show its output here.",
  args: [
    {
      name: "module",
      summary: "a .wasm file, a URL, or the target of an input; file:/target places it",
      isRequired: true,
      completes: "file",
    },
    { name: "args", summary: "arguments of the module", isVariadic: true },
  ],
  flags: {
    ...JOB_FLAGS,
    ...FOLLOW_FLAGS,
    "entry-point": valueFlag("NAME", "exported function to call; default _start", text),
    "import-modules": listFlag("MODULE", "not offered", refuseImports, { short: "I", isHidden: true }),
  },
  examples: ["skrei wasm run hello.wasm -- one two", "skrei wasm run https://example.org/count.wasm -i ./texts:/inputs"],
  exitCodes: RUN_EXIT_CODES,
  run: async ({ args, flags, session }) => {
    const [module = "", ...parameters] = args;
    await runJob({
      session,
      draft: wasmDraft(flags, { module, entrypoint: flags["entry-point"], parameters }),
      folder: process.cwd(),
      flags,
    });
  },
});

function refuseImports(): string {
  throw refuseFeature("Imported modules (--import-modules) are", "Link them into one module.");
}
