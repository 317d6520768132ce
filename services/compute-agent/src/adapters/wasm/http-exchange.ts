import { readSync } from "node:fs";
import { CONTROL_FD } from "./host-protocol.ts";
import {
  FRAME,
  FRAME_HEADER_BYTES,
  type HttpAsk,
  type HttpBodyPiece,
  type HttpEnd,
  type HttpResult,
  type ResponseHead,
  type WantedBody,
} from "./http-protocol.ts";
import { writeStdio } from "./stdio.ts";

/** A request with the windows of guest memory that belong to it. */
export interface GuestRequest {
  readonly ask: HttpAsk;
  readonly body: (offset: number, length: number) => Uint8Array;
  readonly responseBody: (offset: number, length: number) => Uint8Array;
  /** Called once, when all of the body is in its buffer. */
  readonly accept: (response: { readonly status: number; readonly headers: Uint8Array; readonly bodyBytes: number }) => void;
}

/** Has the agent make a request and blocks until it is over; this process has no network. The guest waits meanwhile. */
export function fetchOutside(request: GuestRequest): HttpResult {
  let head: ResponseHead | undefined;
  let bodyBytes = 0;
  send(request.ask);
  for (;;) {
    const { kind, lengthBytes } = readFrameHeader();
    if (kind === FRAME.body) {
      readFully(request.responseBody(bodyBytes, lengthBytes));
      bodyBytes += lengthBytes;
      continue;
    }
    const payload: unknown = JSON.parse(readFully(Buffer.alloc(lengthBytes)).toString());
    if (kind === FRAME.wantBody) sendBody(request, payload as WantedBody);
    else if (kind === FRAME.head) head = payload as ResponseHead;
    else return finish(request, payload as HttpEnd, head && { ...head, bodyBytes });
  }
}

function finish(
  request: GuestRequest,
  { result, words }: HttpEnd,
  response: (ResponseHead & { readonly bodyBytes: number }) | undefined,
): HttpResult {
  if (words !== "") writeStdio(STDERR_FD, Buffer.from(words));
  if (result === "success" && response !== undefined) request.accept({ ...response, headers: Buffer.from(response.headers, "latin1") });
  return result;
}

function sendBody({ body }: GuestRequest, { offset, lengthBytes }: WantedBody): void {
  send({ type: "httpBody", base64: Buffer.from(body(offset, lengthBytes)).toString("base64") });
}

function send(message: HttpAsk | HttpBodyPiece): void {
  writeStdio(CONTROL_FD, Buffer.from(`${JSON.stringify(message)}\n`));
}

function readFrameHeader(): { readonly kind: number; readonly lengthBytes: number } {
  const header = readFully(Buffer.alloc(FRAME_HEADER_BYTES));
  return { kind: header.readUInt8(0), lengthBytes: header.readUInt32LE(1) };
}

/** Fills all of it. @throws Error when the agent is gone; this process is about to be killed then. */
function readFully<T extends Uint8Array>(target: T): T {
  for (let offset = 0; offset < target.length;) {
    const length = readSync(STDIN_FD, target, offset, target.length - offset, null);
    if (length === 0) throw new Error("the agent went away in the middle of a request");
    offset += length;
  }
  return target;
}

const STDIN_FD = 0;
const STDERR_FD = 2;
