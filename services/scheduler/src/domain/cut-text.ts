/** The text, or its beginning and an ellipsis when it is longer than `lengthMax` characters. */
export function cutText(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}
