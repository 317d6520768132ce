import type { GuestImports } from "./run-guest.ts";

/** Why a module cannot run here, or undefined when it can. */
export function checkModule(module: WebAssembly.Module, entrypoint: string, offered: GuestImports): string | undefined {
  const imports = WebAssembly.Module.imports(module);
  const missing = imports.find((wanted) => wanted.kind !== "function" || !isOffered(offered, wanted));
  if (missing !== undefined) {
    return `the module imports the ${missing.kind} ${missing.module}.${missing.name}, which is not offered; only functions of ${Object.keys(offered).join(" and ")} are`;
  }
  const exports = WebAssembly.Module.exports(module);
  if (!exports.some(({ name, kind }) => name === entrypoint && kind === "function")) {
    const names = exports.filter(({ kind }) => kind === "function").map(({ name }) => name);
    return `the module exports no function "${entrypoint}"; it exports ${names.length === 0 ? "none" : listOf(names)}`;
  }
  if (imports.length > 0 && !exports.some(({ name, kind }) => name === "memory" && kind === "memory")) {
    return `the module exports no memory named "memory", which the functions that it imports need`;
  }
  return undefined;
}

function isOffered(offered: GuestImports, { module, name }: { readonly module: string; readonly name: string }): boolean {
  const functions = Object.hasOwn(offered, module) ? offered[module] : undefined;
  return functions !== undefined && Object.hasOwn(functions, name);
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.length > NAMES_SHOWN_MAX ? `${shown} and ${names.length - NAMES_SHOWN_MAX} more` : shown;
}

const NAMES_SHOWN_MAX = 8;
