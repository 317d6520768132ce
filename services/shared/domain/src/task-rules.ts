import type { DockerEngine, Engine, InputSource, JobOutput, OutputPath, Source, Task, Timeouts, WasmEngine } from "./job-spec.ts";
import { LIMITS } from "./limits.ts";
import type { Resources } from "./resources.ts";
import {
  absolutePathRule,
  contentIdRule,
  envNameRule,
  imageRule,
  isAtOrBelow,
  jobReferenceRule,
  nameRule,
  outputNameRule,
  relativePathRule,
  sha256Rule,
  targetRule,
  textRule,
  urlRule,
} from "./spec-grammar.ts";
import { quote } from "./violations.ts";
import type { Violations } from "./violations.ts";

export interface DraftInput extends Omit<InputSource, "source"> {
  readonly source: Source | JobOutput | undefined;
}

/** A task with defaults, whose engine and sources may still be missing; whoever made the draft has reported those. */
export interface DraftTask extends Omit<Task, "engine" | "inputs"> {
  readonly engine: Engine | undefined;
  readonly inputs: readonly DraftInput[];
}

export function addTaskViolations(task: DraftTask, violations: Violations): void {
  violations.text("task.name", task.name, nameRule);
  addEnvViolations(task.env, violations);
  const hasFewInputs = violations.atMost("task.inputs", task.inputs.length, LIMITS.inputsMax);
  const hasFewOutputs = violations.atMost("task.outputs", task.outputs.length, LIMITS.outputsMax);
  if (hasFewInputs && hasFewOutputs) {
    addInputViolations(task.inputs, violations);
    addOutputViolations(task.outputs, violations);
    addNestingViolations(task, violations);
  }
  if (task.engine?.name === "docker") addDockerViolations(task.engine, violations);
  if (task.engine?.name === "wasm" && hasFewInputs) addWasmViolations(task.engine, task.inputs, violations);
  addResourceViolations(task.resources, violations);
  addTimeoutViolations(task.timeouts, violations);
}

function addEnvViolations(env: Task["env"], violations: Violations): void {
  const entries = Object.entries(env);
  if (!violations.atMost("task.env", entries.length, LIMITS.envMax)) return;
  for (const [name, value] of entries) {
    const field = `task.env[${JSON.stringify(name.slice(0, 80))}]`;
    violations.text(field, name, envNameRule);
    violations.text(field, value, textRule);
    const bytes = new TextEncoder().encode(value).length;
    if (bytes > LIMITS.envValueBytesMax) violations.found(field, `${bytes} bytes`, `at most ${LIMITS.envValueBytesMax} bytes`);
  }
}

function addInputViolations(inputs: readonly DraftInput[], violations: Violations): void {
  let inlineBytes = 0;
  for (const [index, { alias, target, source }] of inputs.entries()) {
    const field = `task.inputs[${index}]`;
    if (alias.length > 255 || /\p{Cc}/u.test(alias) || !alias.isWellFormed())
      violations.found(`${field}.alias`, alias, "at most 255 characters, none of them control characters");
    violations.text(`${field}.target`, target, targetRule);
    if (source === undefined) continue;
    addSourceViolations(field, source, violations);
    if (source.type === "inline") inlineBytes += base64Bytes(source.dataBase64);
  }
  if (inlineBytes > LIMITS.inlineBytesMax) {
    violations.found(
      "task.inputs",
      `${inlineBytes} bytes inline`,
      `at most ${LIMITS.inlineBytesMax} bytes inline in all; upload larger data and refer to its content id`,
    );
  }
}

function addSourceViolations(field: string, source: Source | JobOutput, violations: Violations): void {
  switch (source.type) {
    case "inline":
      return;
    case "content":
      violations.text(`${field}.content.cid`, source.cid, contentIdRule);
      return violations.text(`${field}.content.path`, source.path, relativePathRule);
    case "local":
      return violations.text(`${field}.local.path`, source.path, absolutePathRule);
    case "http":
      violations.text(`${field}.http.url`, source.url, urlRule);
      return violations.text(`${field}.http.sha256`, source.sha256, sha256Rule);
    case "job":
      return addJobOutputViolations(`${field}.job`, source, violations);
  }
}

function addJobOutputViolations(field: string, { job, output, partition }: JobOutput, violations: Violations): void {
  violations.text(`${field}.job`, job, jobReferenceRule);
  if (output !== "") violations.text(`${field}.output`, output, outputNameRule);
  if (partition !== undefined) violations.integer(`${field}.partition`, partition, { min: 0, max: LIMITS.partitionsMax - 1 });
}

function addOutputViolations(outputs: readonly OutputPath[], violations: Violations): void {
  const indexes = new Map<string, number>();
  for (const [index, { name, path }] of outputs.entries()) {
    violations.text(`task.outputs[${index}].name`, name, outputNameRule);
    violations.text(`task.outputs[${index}].path`, path, targetRule);
    const first = indexes.get(name);
    if (first === undefined) indexes.set(name, index);
    else violations.found(`task.outputs[${index}].name`, name, `names that differ; task.outputs[${first}] has it too`);
  }
}

/** A mount inside a mount would hide files, or write into an input. Says it once a path, of the later one. */
function addNestingViolations({ inputs, outputs }: Pick<DraftTask, "inputs" | "outputs">, violations: Violations): void {
  const places = [
    ...inputs.map(({ target }, index) => ({ field: `task.inputs[${index}].target`, path: target })),
    ...outputs.map(({ path }, index) => ({ field: `task.outputs[${index}].path`, path })),
  ].filter(({ path }) => targetRule(path) === undefined);
  for (const [index, place] of places.entries()) {
    const other = places.slice(0, index).find(({ path }) => isAtOrBelow(path, place.path) || isAtOrBelow(place.path, path));
    if (other === undefined) continue;
    violations.found(
      place.field,
      place.path,
      `a path that is not, contains or lies in that of another input or output; ${other.field} is ${quote(other.path)}`,
    );
  }
}

function addDockerViolations({ image, entrypoint, parameters, workingDirectory }: DockerEngine, violations: Violations): void {
  violations.text("task.docker.image", image, imageRule);
  addTextsViolations("task.docker.entrypoint", entrypoint, violations);
  addTextsViolations("task.docker.parameters", parameters, violations);
  if (workingDirectory !== "") violations.text("task.docker.workingDirectory", workingDirectory, absolutePathRule);
}

function addWasmViolations(
  { entryModule, entrypoint, parameters }: WasmEngine,
  inputs: readonly DraftInput[],
  violations: Violations,
): void {
  const targets = inputs.map(({ target }) => target);
  if (entryModule === "" || !targets.includes(entryModule)) {
    const allowed = targets.length === 0 ? "add one that holds the module" : targets.slice(0, 5).map(quote).join(", ");
    const message = `${entryModule === "" ? "missing" : `found ${quote(entryModule)}`}; allowed: the target of an input (${allowed})`;
    violations.add("task.wasm.entryModule", message, entryModule === "" ? "FIELD_REQUIRED" : "FIELD_INVALID");
  }
  if (entrypoint === "" || entrypoint.length > 255)
    violations.found("task.wasm.entrypoint", entrypoint, "the name of an exported function, at most 255 characters");
  violations.text("task.wasm.entrypoint", entrypoint, textRule);
  addTextsViolations("task.wasm.parameters", parameters, violations);
}

function addTextsViolations(field: string, texts: readonly string[], violations: Violations): void {
  if (!violations.atMost(field, texts.length, LIMITS.parametersMax)) return;
  for (const [index, text] of texts.entries()) violations.text(`${field}[${index}]`, text, textRule);
}

function addResourceViolations({ cpuMillis, memoryBytes, diskBytes }: Resources, violations: Violations): void {
  violations.integer("task.resources.cpuMillis", cpuMillis, { min: 1, max: 1_000_000 });
  violations.integer("task.resources.memoryBytes", memoryBytes, { min: 1, max: Number.MAX_SAFE_INTEGER });
  violations.integer("task.resources.diskBytes", diskBytes, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

const TIMEOUT_MS_MAX = 365 * 24 * 3_600_000;

function addTimeoutViolations({ executionMs, queueMs, totalMs }: Timeouts, violations: Violations): void {
  const range = { min: 0, max: TIMEOUT_MS_MAX, unit: "ms" };
  violations.integer("task.timeouts.execution", executionMs, range);
  violations.integer("task.timeouts.queue", queueMs, range);
  violations.integer("task.timeouts.total", totalMs, range);
  if (totalMs > 0 && executionMs + queueMs > totalMs) {
    violations.found("task.timeouts.total", `${totalMs} ms`, `at least execution and queue together, ${executionMs + queueMs} ms`);
  }
}

function base64Bytes(base64: string): number {
  return Math.floor((base64.replace(/=+$/u, "").length * 3) / 4);
}
