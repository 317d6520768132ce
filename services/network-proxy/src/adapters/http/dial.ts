import { connect, type Socket } from "node:net";
import { canonicalAddress } from "@skrei/domain";

export interface DialOptions {
  /** Checked addresses, tried in turn; nothing else is ever dialled. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** For all of them together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Why no address could be connected to. */
export class DialError extends Error {
  readonly isTimeout: boolean;

  constructor(message: string, options: { readonly isTimeout: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.isTimeout = options.isTimeout;
  }
}

/** A connection to the first address that accepts. The caller owns it. @throws DialError; the signal's reason when aborted. */
export async function dial({ addresses, port, timeoutMs, signal }: DialOptions): Promise<Socket> {
  const tried = addresses.slice(0, ADDRESSES_MAX);
  let failure: DialError | undefined;
  for (const address of tried) {
    signal.throwIfAborted();
    try {
      return await connectTo({ address, port, timeoutMs: timeoutMs / tried.length, signal });
    } catch (error) {
      signal.throwIfAborted();
      failure = error instanceof DialError ? error : new DialError(messageOf(error), { isTimeout: false, cause: error });
    }
  }
  throw failure ?? new DialError("no address", { isTimeout: false });
}

const ADDRESSES_MAX = 4;

interface ConnectOptions extends Omit<DialOptions, "addresses"> {
  readonly address: string;
}

function connectTo({ address, port, timeoutMs, signal }: ConnectOptions): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true, autoSelectFamily: false });
  const give = (error: unknown): void => {
    settle();
    socket.on("error", () => undefined).destroy();
    reject(error);
  };
  const onAbort = (): void => give(signal.reason);
  const timer = setTimeout(() => give(new DialError(`no answer within ${Math.round(timeoutMs)} ms`, { isTimeout: true })), timeoutMs);
  const settle = (): void => {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.off("error", give).off("connect", onConnect);
  };
  const onConnect = (): void => {
    // Whatever lies between us and the kernel's table, the checked address is the one that is talked to.
    if (canonicalAddress(socket.remoteAddress ?? "") !== canonicalAddress(address)) {
      give(new DialError("connected to another address than was asked for", { isTimeout: false }));
      return;
    }
    settle();
    resolve(socket);
  };
  signal.addEventListener("abort", onAbort);
  socket.once("error", give).once("connect", onConnect);
  return promise;
}

function messageOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
