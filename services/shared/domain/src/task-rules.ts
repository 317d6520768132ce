import { addInputViolations } from "./input-rules.ts";
import type { DraftInput } from "./input-rules.ts";
import type { DockerEngine, Engine, OutputPath, Task, Timeouts, WasmEngine } from "./job-spec.ts";
import { LIMITS } from "./limits.ts";
import { addPublisherViolations } from "./publisher-rules.ts";
import type { Resources } from "./resources.ts";
import { absolutePathRule, envNameRule, imageRule, isAtOrBelow, nameRule, outputNameRule, targetRule, textRule } from "./spec-grammar.ts";
import { quote } from "./violations.ts";
import type { Violations } from "./violations.ts";

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
    addReservedViolations(task, violations);
  }
  if (task.engine?.name === "docker") addDockerViolations(task.engine, violations);
  if (task.engine?.name === "wasm" && hasFewInputs) addWasmViolations(task.engine, task.inputs, violations);
  addResourceViolations(task.resources, violations);
  addPublisherViolations(task.publisher, violations);
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
function addNestingViolations(task: DraftTask, violations: Violations): void {
  const places = placesOf(task);
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

/** Where a task finds what it got of a divided input, nothing of its own may lie. */
function addReservedViolations(task: DraftTask, violations: Violations): void {
  if (task.inputs.every(({ partition }) => partition === undefined)) return;
  for (const { field, path } of placesOf(task)) {
    if (isAtOrBelow(path, INPUTS_FOLDER))
      violations.found(field, path, `a path outside ${INPUTS_FOLDER}, where a task finds what it got of its divided inputs`);
  }
}

function placesOf({ inputs, outputs }: DraftTask): readonly { readonly field: string; readonly path: string }[] {
  return [
    ...inputs.map(({ target }, index) => ({ field: `task.inputs[${index}].target`, path: target })),
    ...outputs.map(({ path }, index) => ({ field: `task.outputs[${index}].path`, path })),
  ].filter(({ path }) => targetRule(path) === undefined);
}

const INPUTS_FOLDER = "/skrei";

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
  const isInInput = absolutePathRule(entryModule) === undefined && targets.some((target) => isAtOrBelow(entryModule, target));
  if (!isInInput) {
    const allowed = targets.length === 0 ? "add one that holds the module" : targets.slice(0, 5).map(quote).join(", ");
    const message = `${entryModule === "" ? "missing" : `found ${quote(entryModule)}`}; allowed: the target of an input, or a path below it (${allowed})`;
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
