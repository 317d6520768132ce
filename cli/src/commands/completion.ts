import { choiceFlag } from "../flags.ts";
import { defineCommand } from "../command.ts";
import { answer } from "../output/terminal.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion = defineCommand({
  path: "completion",
  summary: "Print the completion script of a shell.",
  args: [{ name: "shell", summary: SHELLS.join(", "), isRequired: true }],
  flags: {},
  examples: [
    "skrei completion bash > ~/.local/share/bash-completion/completions/skrei",
    "skrei completion fish > ~/.config/fish/completions/skrei.fish",
  ],
  run: ({ args, session }) => answer(session.terminal, SCRIPTS[choiceFlag(SHELLS, "").parse(args[0] ?? "")]),
});

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# bash completion of skrei; needs nothing but bash itself.
_skrei() {
  local line value
  COMPREPLY=()
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    [[ -n $value ]] && COMPREPLY+=("$value")
  done < <(skrei __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _skrei skrei`,
  zsh: `#compdef skrei
_skrei() {
  local -a values
  local line
  while IFS= read -r line; do
    values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(skrei __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#values} )); then _describe skrei values; else _files; fi
}
compdef _skrei skrei`,
  fish: `# fish completion of skrei.
function __skrei_complete
    set -l words (commandline -opc) (commandline -ct)
    skrei __complete -- $words[2..-1] 2>/dev/null
end
complete -c skrei -f -a '(__skrei_complete)'
complete -c skrei -n 'test -z (__skrei_complete | string collect)' -F`,
};
