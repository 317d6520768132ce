import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseExecutionId, type ExecutionId, type PartitionPlace } from "@skrei/domain";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import type { DividedInput, WorkFolder, WorkFolders } from "../ports.ts";
import { writeInputsFile } from "./inputs-file.ts";

/** One folder per execution: `result/` (with `outputs/<name>/`) and `scratch/`. */
export class ScratchFolders implements WorkFolders {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  of(executionId: ExecutionId): WorkFolder {
    const folder = join(this.#folder, executionId);
    return {
      resultFolder: join(folder, "result"),
      outputsFolder: join(folder, "result", "outputs"),
      scratchFolder: join(folder, "scratch"),
    };
  }

  async create(executionId: ExecutionId, outputNames: readonly string[]): Promise<void> {
    await this.remove(executionId);
    const { outputsFolder, scratchFolder } = this.of(executionId);
    await mkdir(outputsFolder, { recursive: true, mode: 0o700 });
    await mkdir(scratchFolder, { recursive: true, mode: 0o700 });
    for (const name of outputNames) {
      const folder = join(outputsFolder, name);
      await mkdir(folder);
      // The task may run as any user; the folders above keep other users of the host out. mkdir's mode is cut by the umask.
      await chmod(folder, 0o777);
    }
  }

  async writeExitCode(executionId: ExecutionId, exitCode: number): Promise<void> {
    await writeFile(join(this.of(executionId).resultFolder, "exitCode"), String(exitCode));
  }

  async writeInputsFile(executionId: ExecutionId, partition: PartitionPlace, inputs: readonly DividedInput[]): Promise<string> {
    const path = join(this.#folder, executionId, "inputs.json");
    await writeInputsFile(path, partition, inputs);
    return path;
  }

  async remove(executionId: ExecutionId): Promise<void> {
    await removeTree(join(this.#folder, executionId));
  }

  async list(): Promise<readonly ExecutionId[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return (await readdir(this.#folder)).map(parseExecutionId).filter((id) => id !== undefined);
  }
}
