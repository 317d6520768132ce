interface FailureDetails {
  readonly isTimeout?: boolean;
  readonly wasSent?: boolean;
  readonly isFinal?: boolean;
  readonly cause?: unknown;
}

/** The connection failed before or while an answer came, or the answer makes no sense. */
export class ConnectionFailure extends Error {
  override readonly name = "ConnectionFailure";
  readonly isTimeout: boolean;
  /** The request may have had its effect. */
  readonly wasSent: boolean;
  /** Another try would end the same way. */
  readonly isFinal: boolean;

  constructor(message: string, { isTimeout = false, wasSent = true, isFinal = false, cause }: FailureDetails = {}) {
    super(message, { cause });
    this.isTimeout = isTimeout;
    this.wasSent = wasSent;
    this.isFinal = isFinal;
  }
}
