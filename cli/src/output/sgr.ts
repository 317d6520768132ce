/** Colours and weights that cannot hide or imitate text: no conceal, blink or inverse. */
const KEPT = new Set([0, 1, 3, 4, 22, 23, 24, 39, 49]);

/** The sequence with only harmless codes, or undefined when none is left. `parameters` is what stands between `ESC [` and `m`. */
export function keptSgr(parameters: string): string | undefined {
  if (!/^[\d;]*$/u.test(parameters)) return undefined;
  const codes = parameters === "" ? [0] : parameters.split(";").map(Number);
  const kept: number[] = [];
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) i += codes[i + 1] === 2 ? 4 : 2;
    else if (KEPT.has(code) || isColour(code)) kept.push(code);
  }
  return kept.length === 0 ? undefined : `\u001B[${kept.join(";")}m`;
}

function isColour(code: number): boolean {
  return (code >= 30 && code <= 37) || (code >= 40 && code <= 47) || (code >= 90 && code <= 97);
}
