/** One call as bytes: what the bus' transports and servers exchange. The same on every wire, so that one suite proves them all. */
export interface WireCall {
  /** `skrei.agent.v1.AgentService` */
  readonly service: string;
  readonly method: string;
  readonly header: Headers;
  /** Binary Protobuf. */
  readonly body: Uint8Array;
  /** Time left; undefined for a stream without an end in sight. */
  readonly timeoutMs: number | undefined;
  /** Aborts when the caller left or ran out of time. */
  readonly signal: AbortSignal;
  /** Aborts when the server stops; set by servers. */
  readonly shutdownSignal?: AbortSignal;
}

export interface WireReply {
  readonly header: Headers;
  readonly trailer: Headers;
  readonly body: Uint8Array;
}

export interface WireStream {
  readonly header: Headers;
  /** Filled when the messages have ended. */
  readonly trailer: Headers;
  /** May be iterated once. Leaving early, or an abort of the call's signal, ends the handler. */
  readonly messages: AsyncIterable<Uint8Array>;
}

/** Carries calls to whoever serves them. Rejects with ConnectErrors or DomainErrors. */
export interface Wire {
  unary(call: WireCall): Promise<WireReply>;
  stream(call: WireCall): Promise<WireStream>;
}
