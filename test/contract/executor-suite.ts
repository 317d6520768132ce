import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { newExecutionId, newJobId, type Engine, type ExecutionId } from "@skrei/domain";
import { NO_DOOR, type Executor, type HeldRun, type Mount, type RunEnd, type RunLimits, type RunSpec } from "@skrei/compute-agent/ports";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CollectedOutput } from "../kit/collected-output.ts";
import { eventually } from "../kit/eventually.ts";
import type { Program } from "../kit/program.ts";

/** How one engine takes part in the contract. Skips are visible as such in the report. */
export interface ExecutorFactory {
  /** A fresh executor, not started, over the same engine and with the same mark; called again to stand for an agent that restarted. */
  create(): Executor | Promise<Executor>;
  /** How this engine runs a program; undefined when it cannot, which skips the cases that need it. */
  taskFor(program: Program): { readonly engine: Engine; readonly mounts?: readonly Mount[] } | undefined;
  readonly supports: {
    /** Runs outlive `close` and are taken up by the next executor. */
    readonly adoption: boolean;
    readonly readOnlyMounts: boolean;
    /** Tasks may write to data of the node. */
    readonly hostData: boolean;
    readonly memoryLimit: boolean;
  };
  /** An engine that cannot be prepared, and the reason that `prepare` must give. */
  readonly unpreparable: { readonly engine: Engine; readonly reason: string };
  /** Bound of each case. Default 30,000. */
  readonly caseTimeoutMs?: number;
}

/** Every promise of the Executor port. Call at the top level of a test file. */
export function describeExecutor(name: string, factory: ExecutorFactory): void {
  const withinMs = factory.caseTimeoutMs ?? 30_000;

  describe(`executor contract: ${name}`, { timeout: withinMs + 5_000 }, () => {
    let executor: Executor;
    let folder: string;
    let launched: ExecutionId[] = [];

    beforeAll(async () => {
      executor = await factory.create();
      await executor.start();
    }, 60_000);
    afterAll(() => executor.close(), 60_000);
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "executor-suite-"));
      launched = [];
    });
    afterEach(async () => {
      for (const id of launched) await executor.remove(id);
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    const canRun = (program: Program): boolean => factory.taskFor(program) !== undefined;

    async function specOf(program: Program, extra: SpecParts = {}): Promise<RunSpec> {
      const task = factory.taskFor(program);
      if (task === undefined) throw new Error(`${name} cannot run ${program.does}; the case should have been skipped`);
      const executionId = newExecutionId(ids);
      launched.push(executionId);
      const scratchFolder = join(folder, executionId);
      await mkdir(scratchFolder);
      return {
        executionId,
        jobId: newJobId(ids),
        epoch: 1,
        engine: task.engine,
        env: extra.env ?? {},
        mounts: [...(task.mounts ?? []), ...(extra.mounts ?? [])],
        limits: { ...LIMITS_OF_A_CASE, ...extra.limits },
        door: NO_DOOR,
        scratchFolder,
      };
    }

    async function launch(spec: RunSpec): Promise<CollectedOutput> {
      const output = new CollectedOutput();
      await executor.prepare(spec, within());
      await executor.launch(spec, output, within());
      return output;
    }

    async function run(program: Program, extra: SpecParts = {}): Promise<{ end: RunEnd; output: CollectedOutput }> {
      const spec = await specOf(program, extra);
      const output = await launch(spec);
      return { end: await executor.wait(spec.executionId, within()), output };
    }

    async function launchForever(ignoresTerm = false): Promise<{ spec: RunSpec; output: CollectedOutput }> {
      const spec = await specOf({ does: "runForever", ignoresTerm });
      const output = await launch(spec);
      await eventually(
        () => output.stdout,
        (text) => text.includes("ready"),
        { withinMs },
      );
      return { spec, output };
    }

    async function heldOf(id: ExecutionId): Promise<HeldRun | undefined> {
      return (await executor.held()).find((held) => held.executionId === id);
    }

    function within(): AbortSignal {
      return AbortSignal.timeout(withinMs);
    }

    test("answers a probe", async () => {
      expect(await executor.probe()).toMatchObject({ name: executor.name, isAvailable: true, message: "" });
    });

    test.runIf(canRun(EXIT_0))("runs a program to its end", async () => {
      const { end } = await run(EXIT_0);
      expect(end).toMatchObject({ exitCode: 0, failure: undefined });
      expect(end.endedAtMs).toBeGreaterThanOrEqual(end.startedAtMs);
      expect(end.imageDigest).not.toBe("");
    });

    test.runIf(canRun(EXIT_7))("gives the exit code as it was, without calling it a failure", async () => {
      const { end } = await run(EXIT_7);
      expect(end).toMatchObject({ exitCode: 7, failure: undefined });
    });

    test.runIf(canRun(PRINT))("keeps stdout and stderr apart and whole", async () => {
      const { output } = await run(PRINT);
      expect(output.stdout).toBe(PRINT.stdout);
      expect(output.stderr).toBe(PRINT.stderr);
    });

    test.runIf(canRun(MANY_LINES))("loses no line of 20,000", async () => {
      const { output } = await run(MANY_LINES);
      expect(output.stdout).toBe(linesUpTo(20_000));
    });

    test.runIf(canRun(PRINT))("runs several at once, each with its own output", async () => {
      const runs = await Promise.all([1, 2, 3].map((number) => run({ does: "print", stdout: `out ${number}`, stderr: "" })));
      expect(runs.map(({ output }) => output.stdout)).toEqual(["out 1", "out 2", "out 3"]);
    });

    test.runIf(canRun(PRINT_ENV))("passes the environment byte for byte", async () => {
      const { output } = await run(PRINT_ENV, { env: { GREETING: ODD_VALUE, OTHER: "x" } });
      expect(output.stdout).toBe(ODD_VALUE);
    });

    test.runIf(canRun(READ_INPUT))("shows a read-only mount", async () => {
      const input = join(folder, "input");
      await mkdir(input);
      await writeFile(join(input, "data.txt"), "the input");
      const { end, output } = await run(READ_INPUT, { mounts: [{ hostPath: input, target: "/inputs", isReadOnly: true }] });
      expect({ exitCode: end.exitCode, stdout: output.stdout }).toEqual({ exitCode: 0, stdout: "the input" });
    });

    test.runIf(canRun(WRITE_INPUT) && factory.supports.readOnlyMounts)("lets nobody write to a read-only mount", async () => {
      const input = join(folder, "input");
      await mkdir(input, { mode: 0o777 });
      const { end } = await run(WRITE_INPUT, { mounts: [{ hostPath: input, target: "/inputs", isReadOnly: true }] });
      expect(end.exitCode).not.toBe(0);
      await expect(readFile(join(input, "data.txt"))).rejects.toMatchObject({ code: "ENOENT" });
    });

    test.runIf(canRun(WRITE_OUTPUT))("keeps what is written to a writable mount", async () => {
      const output = join(folder, "output");
      await mkdir(output);
      const { end } = await run(WRITE_OUTPUT, { mounts: [{ hostPath: output, target: "/outputs", isReadOnly: false }] });
      expect(end.exitCode).toBe(0);
      expect(await readFile(join(output, "result.txt"), "utf8")).toBe("the result");
    });

    test.runIf(canRun(WRITE_INPUT) && factory.supports.hostData)(
      "lets a task change the node's own data, which keeps its owner and does not count to the task",
      async () => {
        const shared = join(folder, "shared");
        await mkdir(shared);
        await chmod(shared, 0o777);
        await writeFile(join(shared, "large"), Buffer.alloc(2 * 1_048_576, 1));
        const { uid, gid } = await lstat(shared);
        const { end } = await run(WRITE_INPUT, {
          mounts: [{ hostPath: shared, target: "/inputs", isReadOnly: false, isHostData: true }],
          limits: { diskBytes: 1_048_576 },
        });
        expect(end).toMatchObject({ exitCode: 0, failure: undefined });
        expect(await readFile(join(shared, "data.txt"), "utf8")).toBe("mine");
        expect(await lstat(shared)).toMatchObject({ uid, gid });
      },
    );

    test.runIf(canRun(WRITE_INPUT) && factory.supports.hostData)("lets a task change a single file of the node", async () => {
      const file = join(folder, "data.txt");
      await writeFile(file, "before, and longer");
      await chmod(file, 0o666);
      const mounts: readonly Mount[] = [{ hostPath: file, target: "/inputs/data.txt", isReadOnly: false, isHostData: true }];
      const { end } = await run(WRITE_INPUT, { mounts });
      expect(end.exitCode).toBe(0);
      expect(await readFile(file, "utf8")).toBe("mine");
    });

    test.runIf(!factory.supports.hostData).each([true, false])("refuses a task the node's own data, read-only %s", async (isReadOnly) => {
      const spec = await specOf(EXIT_0, { mounts: [{ hostPath: folder, target: "/inputs", isReadOnly, isHostData: true }] });
      await expect(executor.prepare(spec, within())).rejects.toMatchObject({ reason: "SANDBOX_FAILED" });
      expect(await heldOf(spec.executionId)).toBeUndefined();
    });

    test.runIf(canRun(READ_INPUT_LIST))("shows a single file beside other mounts, and lets nobody change it", async () => {
      const list = join(folder, "inputs.json");
      await writeFile(list, "{}");
      await mkdir(join(folder, "input"));
      const mounts: readonly Mount[] = [
        { hostPath: join(folder, "input"), target: "/data", isReadOnly: true },
        { hostPath: list, target: "/skrei/inputs.json", isReadOnly: true },
      ];
      const { output } = await run(READ_INPUT_LIST, { mounts });
      expect(output.stdout).toBe("{}");
      if (!factory.supports.readOnlyMounts) return;
      const { end } = await run({ does: "writeFile", path: "/skrei/inputs.json", text: "mine" }, { mounts });
      expect(end.exitCode).not.toBe(0);
      expect(await readFile(list, "utf8")).toBe("{}");
    });

    test.for([
      { title: "input", isReadOnly: true },
      { title: "output", isReadOnly: false },
    ])("refuses an $title whose place on the node is a symbolic link", async ({ isReadOnly }) => {
      const elsewhere = join(folder, "elsewhere");
      await mkdir(elsewhere);
      await symlink(elsewhere, join(folder, "link"));
      const spec = await specOf(EXIT_0, { mounts: [{ hostPath: join(folder, "link"), target: "/data", isReadOnly }] });
      await expect(executor.prepare(spec, within())).rejects.toMatchObject({
        reason: "SANDBOX_FAILED",
        message: expect.stringContaining("/data leads to a symbolic link"),
      });
      expect(await heldOf(spec.executionId)).toBeUndefined();
    });

    test.runIf(canRun(READ_INPUT))("takes an input that lies below a symbolic link", async () => {
      await mkdir(join(folder, "real", "input"), { recursive: true });
      await writeFile(join(folder, "real", "input", "data.txt"), "the input");
      await symlink(join(folder, "real"), join(folder, "way"));
      const { output } = await run(READ_INPUT, {
        mounts: [{ hostPath: join(folder, "way", "input"), target: "/inputs", isReadOnly: true }],
      });
      expect(output.stdout).toBe("the input");
    });

    test("refuses what cannot be prepared, with its reason", async () => {
      const spec = { ...(await specOf(EXIT_0)), engine: factory.unpreparable.engine };
      await expect(executor.prepare(spec, within())).rejects.toMatchObject({ name: "DomainError", reason: factory.unpreparable.reason });
    });

    test.runIf(canRun(FOREVER))("stops a program that runs on", async () => {
      const { spec } = await launchForever();
      await executor.stop(spec.executionId, 2_000);
      const end = await executor.wait(spec.executionId, within());
      expect(end.exitCode === 0 && end.failure === undefined).toBe(false);
    });

    test.runIf(canRun(STUBBORN))("kills a program that ignores being asked", async () => {
      const { spec } = await launchForever(true);
      await executor.stop(spec.executionId, 100);
      const end = await executor.wait(spec.executionId, within());
      expect(end.exitCode).not.toBe(0);
      expect((await heldOf(spec.executionId))?.isRunning ?? false).toBe(false);
    });

    test.runIf(canRun(EXIT_0))("takes a second stop, and a stop of something unknown, as done", async () => {
      const spec = await specOf(EXIT_0);
      await launch(spec);
      await executor.wait(spec.executionId, within());
      await executor.stop(spec.executionId, 100);
      await executor.stop(spec.executionId, 100);
      await executor.stop(newExecutionId(ids), 100);
    });

    test.runIf(canRun(EXIT_7))("answers every wait, early or late, with the same end", async () => {
      const spec = await specOf(EXIT_7);
      await launch(spec);
      const early = await Promise.all([executor.wait(spec.executionId, within()), executor.wait(spec.executionId, within())]);
      const late = await executor.wait(spec.executionId, within());
      expect(early).toEqual([late, late]);
    });

    test.runIf(canRun(FOREVER))("goes on running when a wait is given up", async () => {
      const { spec } = await launchForever();
      const leaving = new AbortController();
      const wait = executor.wait(spec.executionId, leaving.signal);
      leaving.abort(new Error("left"));
      await expect(wait).rejects.toBeInstanceOf(Error);
      expect(await heldOf(spec.executionId)).toMatchObject({ isRunning: true });
    });

    test.runIf(canRun(FOREVER))("removes a running program, and again, and what it never knew", async () => {
      const { spec } = await launchForever();
      await executor.remove(spec.executionId);
      await executor.remove(spec.executionId);
      await executor.remove(newExecutionId(ids));
      expect(await heldOf(spec.executionId)).toBeUndefined();
    });

    test.runIf(canRun(EXIT_0))("may prepare twice, and remove what was prepared and never launched", async () => {
      const spec = await specOf(EXIT_0);
      await executor.prepare(spec, within());
      await executor.prepare(spec, within());
      await executor.remove(spec.executionId);
      expect(await heldOf(spec.executionId)).toBeUndefined();
    });

    test.runIf(canRun(EXIT_0))("does not prepare for a caller who left, and holds nothing of it after a remove", async () => {
      const spec = await specOf(EXIT_0);
      await expect(executor.prepare(spec, AbortSignal.abort(new Error("left")))).rejects.toBeInstanceOf(Error);
      await executor.remove(spec.executionId);
      expect(await heldOf(spec.executionId)).toBeUndefined();
    });

    test.runIf(canRun(GREEDY) && factory.supports.memoryLimit)("ends a program that takes more memory than it may", async () => {
      const { end } = await run(GREEDY, { limits: { memoryBytes: 64 * MIB } });
      expect(end.failure).toMatchObject({ class: "resource", reason: "OUT_OF_MEMORY" });
    });

    test("does not adopt a run that the engine does not have", async () => {
      const spec = await specOf(EXIT_0);
      expect(await executor.adopt(spec, new CollectedOutput(), within())).toBe(false);
    });

    describe.runIf(factory.supports.adoption)("after a restart of the agent", () => {
      async function restart(): Promise<void> {
        await executor.close();
        executor = await factory.create();
        await executor.start();
      }

      test.runIf(canRun(SLOW_LINES))("takes up a running program and loses or doubles no line", async () => {
        const spec = await specOf(SLOW_LINES);
        const output = await launch(spec);
        await eventually(
          () => output.stdout,
          (text) => text.includes("line 3\n"),
          { withinMs },
        );
        await restart();
        expect(await heldOf(spec.executionId)).toMatchObject({ isRunning: true });
        expect(await executor.adopt(spec, output, within())).toBe(true);
        const end = await executor.wait(spec.executionId, within());
        expect(end.exitCode).toBe(0);
        expect(output.stdout).toBe(linesUpTo(SLOW_LINES.count));
      });

      test.runIf(canRun(SLOW_LINES))("takes up a program that ended meanwhile, with its exit code and whole output", async () => {
        const spec = await specOf(SLOW_LINES);
        const output = await launch(spec);
        await executor.close();
        executor = await factory.create();
        await executor.start();
        await eventually(
          () => heldOf(spec.executionId),
          (held) => held?.isRunning === false,
          { withinMs },
        );
        expect(await executor.adopt(spec, output, within())).toBe(true);
        expect(await executor.wait(spec.executionId, within())).toMatchObject({ exitCode: 0, failure: undefined });
        expect(output.stdout).toBe(linesUpTo(SLOW_LINES.count));
      });

      test.runIf(canRun(FOREVER))("stops and removes what it did not launch itself", async () => {
        const { spec } = await launchForever();
        await restart();
        await executor.remove(spec.executionId);
        expect(await heldOf(spec.executionId)).toBeUndefined();
      });
    });
  });
}

interface SpecParts {
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly Mount[];
  readonly limits?: Partial<RunLimits>;
}

const MIB = 1_024 * 1_024;
const LIMITS_OF_A_CASE: RunLimits = { cpuMillis: 1_000, memoryBytes: 256 * MIB, diskBytes: 256 * MIB, timeoutMs: 0 };
const ODD_VALUE = "two  spaces, 'quotes\", $HOME, back\\slash, a=b, žluť, and\na second line";

const EXIT_0 = { does: "exit", code: 0 } as const satisfies Program;
const EXIT_7 = { does: "exit", code: 7 } as const satisfies Program;
const PRINT = { does: "print", stdout: "to stdout\nwithout an end", stderr: "to stderr\n" } as const satisfies Program;
const MANY_LINES = { does: "printLines", count: 20_000, pauseMs: 0 } as const satisfies Program;
const SLOW_LINES = { does: "printLines", count: 20, pauseMs: 100 } as const satisfies Program;
const PRINT_ENV = { does: "printEnv", name: "GREETING" } as const satisfies Program;
const READ_INPUT = { does: "printFile", path: "/inputs/data.txt" } as const satisfies Program;
const READ_INPUT_LIST = { does: "printFile", path: "/skrei/inputs.json" } as const satisfies Program;
const WRITE_INPUT = { does: "writeFile", path: "/inputs/data.txt", text: "mine" } as const satisfies Program;
const WRITE_OUTPUT = { does: "writeFile", path: "/outputs/result.txt", text: "the result" } as const satisfies Program;
const FOREVER = { does: "runForever", ignoresTerm: false } as const satisfies Program;
const STUBBORN = { does: "runForever", ignoresTerm: true } as const satisfies Program;
const GREEDY = { does: "useMemory", bytes: 200 * MIB } as const satisfies Program;

const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };

function linesUpTo(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join("");
}
