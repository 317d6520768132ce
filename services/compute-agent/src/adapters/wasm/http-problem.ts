import type { HttpResult } from "./http-protocol.ts";

/** Why a guest's request did not come to its end, as the code that the guest gets and as a sentence for the user. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly result: Exclude<HttpResult, "success">;
  /** Words are said once for each key. */
  readonly key: string;

  constructor(result: Exclude<HttpResult, "success">, message: string, { key = result, cause }: { key?: string; cause?: unknown } = {}) {
    super(message, { cause });
    this.result = result;
    this.key = key;
  }
}
