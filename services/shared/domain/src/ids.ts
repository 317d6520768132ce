declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type JobId = Branded<"JobId">;
export type ExecutionId = Branded<"ExecutionId">;
export type NodeId = Branded<"NodeId">;

const CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz";
const ID = /^[jen]-[0-9a-hjkmnp-tv-z]{26}$/u;

/** What an id is made from; passed in so that a simulation gives the same ids for the same seed. */
export interface IdSource {
  nowMs(): number;
  /** 10 random bytes. */
  randomBytes(): Uint8Array;
}

/** `j-` + ULID in lower case: 48 bits of time, 80 of randomness; sorts by time. */
export function newJobId(source: IdSource): JobId {
  return `j-${ulid(source)}` as JobId;
}

export function newExecutionId(source: IdSource): ExecutionId {
  return `e-${ulid(source)}` as ExecutionId;
}

export function newNodeId(source: IdSource): NodeId {
  return `n-${ulid(source)}` as NodeId;
}

/** The id if `text` is a whole job id, else undefined. */
export function parseJobId(text: string): JobId | undefined {
  return isId("j", text) ? (text as JobId) : undefined;
}

export function parseExecutionId(text: string): ExecutionId | undefined {
  return isId("e", text) ? (text as ExecutionId) : undefined;
}

export function parseNodeId(text: string): NodeId | undefined {
  return isId("n", text) ? (text as NodeId) : undefined;
}

function isId(prefix: string, text: string): boolean {
  return text.startsWith(`${prefix}-`) && ID.test(text);
}

function ulid(source: IdSource): string {
  let time = source.nowMs();
  let head = "";
  for (let i = 0; i < 10; i++) {
    head = CROCKFORD.charAt(time % 32) + head;
    time = Math.floor(time / 32);
  }
  let bits = 0;
  let held = 0;
  let tail = "";
  for (const byte of source.randomBytes().subarray(0, 10)) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      tail += CROCKFORD.charAt((bits >> held) & 31);
    }
    bits &= (1 << held) - 1;
  }
  return head + tail;
}
