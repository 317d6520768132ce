/** Colours and weights that cannot hide or imitate text: no conceal, blink or inverse. */
const KEPT = new Set([0, 1, 3, 4, 22, 23, 24, 39, 49]);

/** The sequence with only harmless codes, or undefined when none is left. `parameters` is what stands between `ESC [` and `m`. */
export function keptSgr(parameters: string): string | undefined {
  if (!/^[\d;]*$/u.test(parameters)) return undefined;
  const codes = parameters === "" ? [0] : parameters.split(";").map(Number);
  const kept: number[] = [];
  let skipped = 0;
  codes.forEach((code, index) => {
    if (index < skipped) return;
    if (code === 38 || code === 48) skipped = index + extendedLength(codes[index + 1]);
    else if (KEPT.has(code) || isColour(code)) kept.push(code);
  });
  return kept.length === 0 ? undefined : `\u001B[${kept.join(";")}m`;
}

/** `38;5;n` or `38;2;r;g;b`: the numbers mean other things alone. */
function extendedLength(kind: number | undefined): number {
  return kind === 2 ? 5 : 3;
}

function isColour(code: number): boolean {
  return (code >= 30 && code <= 37) || (code >= 40 && code <= 47) || (code >= 90 && code <= 97);
}
