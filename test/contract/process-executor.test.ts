import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { shellScriptOf } from "../kit/program.ts";
import { describeExecutor } from "./executor-suite.ts";

const folder = await mkdtemp(join(tmpdir(), "process-executor-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

describeExecutor("processes of this host", {
  create: () => new ProcessExecutor(folder),
  taskFor: (program) => ({
    engine: { name: "docker", image: "sh", entrypoint: ["sh", "-c"], parameters: [shellScriptOf(program)], workingDirectory: "" },
  }),
  supports: { adoption: true, readOnlyMounts: false, hostData: true, memoryLimit: false },
  unpreparable: {
    engine: { name: "docker", image: "absent", entrypoint: [], parameters: [], workingDirectory: "" },
    reason: "IMAGE_NOT_FOUND",
  },
});
