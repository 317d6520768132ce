/** The connection failed before or while an answer came; nothing is known of the request's effect unless `wasSent` is false. */
export class ConnectionFailure extends Error {
  override readonly name = "ConnectionFailure";
  readonly isTimeout: boolean;
  readonly wasSent: boolean;

  constructor(message: string, details: { readonly isTimeout?: boolean; readonly wasSent?: boolean; readonly cause?: unknown } = {}) {
    super(message, { cause: details.cause });
    this.isTimeout = details.isTimeout ?? false;
    this.wasSent = details.wasSent ?? true;
  }
}
