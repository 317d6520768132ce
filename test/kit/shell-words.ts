/** Words of a line as a shell splits them; single and double quotes, no expansion. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/gu)].map(([word]) => word.replaceAll(/'([^']*)'|"([^"]*)"/gu, "$1$2"));
}
