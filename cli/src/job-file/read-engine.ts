import { suggestion } from "../parse/did-you-mean.ts";
import { parseKeyValue } from "../parse/parse-key-value.ts";
import { refuseFeature } from "../parse/refused-features.ts";
import type { FieldCursor, FieldReaders } from "./field-cursor.ts";
import type { EngineInit, InputDraft } from "./job-draft.ts";
import { readInput } from "./read-input.ts";
import { raise } from "../parse/raise.ts";

export interface EngineDraft {
  readonly engine: EngineInit;
  /** The engine's own variables; they win over the task's. */
  readonly env: Readonly<Record<string, string>>;
  /** The module of the legacy form, which is an input written inside the engine. */
  readonly inputs: readonly InputDraft[];
}

/** Where a module of the legacy form goes. */
const LEGACY_ENTRY_TARGET = "/wasm/entry.wasm";

/** `{Type, Params}`. */
export function readEngine(engine: FieldCursor): EngineDraft | undefined {
  let type: string | undefined;
  let params: FieldCursor | undefined;
  let hasType = false;
  engine.fields({
    Type: (field) => {
      hasType = true;
      type = readType(field);
    },
    Params: (field) => (params = field),
  });
  if (type === undefined && hasType) return undefined;
  if (type === undefined) return engine.problem("FIELD_REQUIRED", "the Engine needs a Type: docker or wasm.");
  if (params === undefined) return engine.problem("FIELD_REQUIRED", `the Engine ${type} needs Params.`);
  return type === "docker" ? readDocker(params) : readWasm(params);
}

function readType(field: FieldCursor): "docker" | "wasm" | undefined {
  const type = field.text()?.trim().toLowerCase();
  if (type === "docker" || type === "wasm") return type;
  if (type !== undefined)
    field.problem("FIELD_INVALID", `unknown engine "${type}"${suggestion(type, ["docker", "wasm"]) || "; expected docker or wasm"}.`);
  return undefined;
}

function readDocker(params: FieldCursor): EngineDraft {
  const docker = { image: "", entrypoint: [] as string[], parameters: [] as string[], workingDirectory: "" };
  const env: Record<string, string> = {};
  readParams(params, {
    Image: (field) => (docker.image = field.is("task.engine.image").text() ?? ""),
    Entrypoint: (field) => (docker.entrypoint = [...field.is("task.engine.entrypoint").strings()]),
    Parameters: (field) => (docker.parameters = [...field.is("task.engine.parameters").strings()]),
    WorkingDirectory: (field) => (docker.workingDirectory = field.isNull ? "" : (field.is("task.engine.workingDirectory").text() ?? "")),
    EnvironmentVariables: (field) => {
      for (const item of field.list()) {
        const [key, value] = item.parsed(parseKeyValue) ?? [];
        if (key === undefined || value === undefined) continue;
        item.is(`task.env.${key}`);
        env[key] = value;
      }
    },
  });
  if (docker.image === "") params.problem("FIELD_REQUIRED", "the docker engine needs an Image.");
  return { engine: { case: "docker", value: docker }, env, inputs: [] };
}

function readWasm(params: FieldCursor): EngineDraft {
  const wasm = { entryModule: "", entrypoint: "", parameters: [] as string[] };
  const inputs: InputDraft[] = [];
  readParams(params, {
    EntryModule: (field) => {
      field.is("task.engine.entryModule");
      if (!field.isMapping) {
        wasm.entryModule = absolute(field.text() ?? "");
        return;
      }
      const module = readInput(field, LEGACY_ENTRY_TARGET);
      if (module !== undefined) inputs.push(module);
      wasm.entryModule = module?.target ?? LEGACY_ENTRY_TARGET;
    },
    Entrypoint: (field) => (wasm.entrypoint = field.isNull ? "" : (field.is("task.engine.entrypoint").text() ?? "")),
    Parameters: (field) => (wasm.parameters = [...field.is("task.engine.parameters").strings()]),
    ImportModules: (field) => {
      if (field.list().length > 0)
        field.attempt(() => raise(refuseFeature("Imported modules (ImportModules) are", "Link them into one module.")));
    },
  });
  if (wasm.entryModule === "")
    params.problem("FIELD_REQUIRED", "the wasm engine needs an EntryModule: the Target of the input that holds the module.");
  return { engine: { case: "wasm", value: wasm }, env: {}, inputs };
}

function readParams(params: FieldCursor, readers: FieldReaders): void {
  params.fields(readers);
}

/** Bacalhau takes `main.wasm` for an input at `/main.wasm`. */
function absolute(path: string): string {
  return path === "" || path.startsWith("/") ? path : `/${path}`;
}
