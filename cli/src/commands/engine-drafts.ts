import { basename } from "node:path";
import type { FlagValues } from "../flags.ts";
import { fileTarget, modulePath } from "../job-file/file-target.ts";
import type { EngineInit, InputDraft, JobDraft } from "../job-file/job-draft.ts";
import { parseInput } from "../parse/parse-input.ts";
import { draftFromFlags } from "../run/draft-from-flags.ts";
import type { JOB_FLAGS } from "../run/job-flags.ts";

const MODULE_TARGET = "/main.wasm";

export function dockerEngine(docker: {
  image: string;
  parameters: readonly string[];
  entrypoint?: readonly string[];
  workingDirectory?: string;
}): EngineInit {
  const { image, parameters, entrypoint = [], workingDirectory = "" } = docker;
  return { case: "docker", value: { image, parameters: [...parameters], entrypoint: [...entrypoint], workingDirectory } };
}

/** A module of this machine, of a URL, or at the target of an input given with `-i`. `file:target` places it elsewhere. */
export function wasmDraft(
  flags: FlagValues<typeof JOB_FLAGS>,
  wasm: { module: string; entrypoint: string | undefined; parameters: readonly string[] },
): JobDraft {
  const engine = (entryModule: string): EngineInit => ({
    case: "wasm",
    value: { entryModule, entrypoint: wasm.entrypoint ?? "", parameters: [...wasm.parameters] },
  });
  const given = flags.input.find(({ target }) => target === wasm.module);
  if (given !== undefined) return draftFromFlags(flags, engine(modulePath(given)));
  const input = moduleInput(wasm.module);
  return draftFromFlags(flags, engine(modulePath(input)), [input]);
}

function moduleInput(module: string): InputDraft {
  const hasTarget = /:\/(?!\/)/u.test(module);
  const input = parseInput(hasTarget ? module : `${module}:${defaultTarget(module)}`);
  const { source } = input;
  return source.type === "http" && !hasTarget ? { ...input, target: fileTarget("/", source.url) } : input;
}

/** argv[0] is the module's name, so a local file keeps its own. */
function defaultTarget(module: string): string {
  const name = basename(module);
  return name.endsWith(".wasm") && /^[A-Za-z0-9._-]+$/u.test(name) ? `/${name}` : MODULE_TARGET;
}
