import { namedPath } from "../arrange-words.ts";
import type { CommandDefinition } from "../command.ts";

/** Every command, in the order of the help. */
export async function loadCommands(): Promise<readonly CommandDefinition[]> {
  return await Promise.all(Object.values(COMMANDS).map((load) => load()));
}

/** The one command that the words name by its path, so that nothing of the others is loaded; else every one. */
export async function loadNamed(words: readonly string[]): Promise<readonly CommandDefinition[]> {
  const path = namedPath(
    words,
    Object.keys(COMMANDS).map((known) => ({ path: known })),
  );
  const load = path === undefined ? undefined : COMMANDS[path];
  return load === undefined ? await loadCommands() : [await load()];
}

const COMMANDS: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  dev: async () => (await import("./dev.ts")).dev,
  demo: async () => (await import("./demo.ts")).demo,
  run: async () => (await import("./run.ts")).run,
  "docker run": async () => (await import("./docker-run.ts")).dockerRun,
  "wasm run": async () => (await import("./wasm-run.ts")).wasmRun,
  "job run": async () => (await import("./job-run.ts")).jobRun,
  "job list": async () => (await import("./job-list.ts")).jobList,
  "job describe": async () => (await import("./job-describe.ts")).jobDescribe,
  "job logs": async () => (await import("./job-logs.ts")).jobLogs,
  "job get": async () => (await import("./job-get.ts")).jobGet,
  "job results": async () => (await import("./job-results.ts")).jobResults,
  "job stop": async () => (await import("./job-stop.ts")).jobStop,
  "job rerun": async () => (await import("./job-rerun.ts")).jobRerun,
  "job wait": async () => (await import("./job-wait.ts")).jobWait,
  "job watch": async () => (await import("./job-watch.ts")).jobWatch,
  "job executions": async () => (await import("./job-executions.ts")).jobExecutions,
  "job history": async () => (await import("./job-history.ts")).jobHistory,
  "job validate": async () => (await import("./job-validate.ts")).jobValidate,
  "job plan": async () => (await import("./job-plan.ts")).jobPlan,
  "node list": async () => (await import("./node-list.ts")).nodeList,
  "node describe": async () => (await import("./node-describe.ts")).nodeDescribe,
  "node approve": async () => (await import("./node-changes.ts")).nodeApprove,
  "node reject": async () => (await import("./node-changes.ts")).nodeReject,
  "node drain": async () => (await import("./node-changes.ts")).nodeDrain,
  "node undrain": async () => (await import("./node-changes.ts")).nodeUndrain,
  "data put": async () => (await import("./data-put.ts")).dataPut,
  "data ls": async () => (await import("./data-ls.ts")).dataLs,
  "data get": async () => (await import("./data-get.ts")).dataGet,
  "data pin": async () => (await import("./data-pin.ts")).dataPin,
  "data rm": async () => (await import("./data-rm.ts")).dataRm,
  "data gc": async () => (await import("./data-gc.ts")).dataGc,
  "data stat": async () => (await import("./data-stat.ts")).dataStat,
  "net list": async () => (await import("./net-list.ts")).netList,
  "net explain": async () => (await import("./net-explain.ts")).netExplain,
  doctor: async () => (await import("./doctor.ts")).doctor,
  completion: async () => (await import("./completion.ts")).completion,
  __complete: async () => (await import("./complete.ts")).complete,
  version: async () => (await import("./version.ts")).version,
};
