/** A throw as an expression. */
export function raise(error: Error): never {
  throw error;
}
