/** What a task of the executor contract does. Each engine says how it runs it. */
export type Program =
  | { readonly does: "exit"; readonly code: number }
  | { readonly does: "print"; readonly stdout: string; readonly stderr: string }
  /** `line 1` to `line <count>` on stdout, `pauseMs` apart. */
  | { readonly does: "printLines"; readonly count: number; readonly pauseMs: number }
  /** The value of the variable on stdout, nothing added. */
  | { readonly does: "printEnv"; readonly name: string }
  /** The file's bytes on stdout; a non-zero exit when it cannot be read. */
  | { readonly does: "printFile"; readonly path: string }
  /** A non-zero exit when it cannot be written. */
  | { readonly does: "writeFile"; readonly path: string; readonly text: string }
  /** Prints `ready` and a line end, then runs on until it is ended from outside. */
  | { readonly does: "runForever"; readonly ignoresTerm: boolean }
  /** Holds that many bytes of memory, then exits 0. */
  | { readonly does: "useMemory"; readonly bytes: number };

/** The program for `sh -c` of any POSIX shell. */
export function shellScriptOf(program: Program): string {
  switch (program.does) {
    case "exit":
      return `exit ${program.code}`;
    case "print":
      return `printf %s ${quoted(program.stdout)}; printf %s ${quoted(program.stderr)} >&2`;
    case "printLines":
      return `i=1; while [ $i -le ${program.count} ]; do echo "line $i"; i=$((i+1)); ${program.pauseMs > 0 ? `sleep ${program.pauseMs / 1_000};` : ""} done`;
    case "printEnv":
      return `printf %s "$${program.name}"`;
    case "printFile":
      return `cat ${quoted(program.path)}`;
    case "writeFile":
      return `printf %s ${quoted(program.text)} > ${quoted(program.path)}`;
    case "runForever":
      return `${program.ignoresTerm ? "trap '' TERM;" : "trap 'exit 143' TERM;"} echo ready; while :; do sleep 0.1; done`;
    case "useMemory":
      return `x=$(head -c ${program.bytes} /dev/zero | tr '\\0' x); sleep 1; echo "\${#x}"`;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
