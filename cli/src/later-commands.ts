import { DomainError } from "@skrei/domain";

/** Commands that people look for, of Bacalhau or of plans, with what serves instead. */
const LATER: Readonly<Record<string, string>> = {
  ui: "Use `skrei job watch`, which prints a line a change.",
  cluster: "Use `skrei node list` and `skrei job list`.",
  serve: "Use `skrei dev`, or start the services themselves.",
  devstack: "Use `skrei dev --nodes N`.",
  context: "Use --server URL or SKREI_SERVER; `skrei dev` is found by itself.",
  profile: "Use --server URL or SKREI_SERVER; `skrei dev` is found by itself.",
  config: "Write `server:` and `tokenFile:` into ~/.config/skrei/config.yaml.",
  auth: "Use --token-file FILE or SKREI_TOKEN_FILE.",
  agent: "Use `skrei doctor` and `skrei node list`.",
  "job diff": "Use `skrei job validate FILE` for a check of the file.",
  "job versions": "Use `skrei job history ID`.",
  "node label": "Give labels to the node's own configuration.",
  "node remove": "Use `skrei node reject ID`.",
  "node delete": "Use `skrei node reject ID`.",
};

export function laterCommand(path: string): DomainError | undefined {
  const hint = Object.hasOwn(LATER, path) ? LATER[path] : undefined;
  return hint === undefined
    ? undefined
    : new DomainError("invalid", "FEATURE_NOT_AVAILABLE", `"skrei ${path}" is not offered by this version.`, { hint });
}
