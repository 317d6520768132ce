import type { GuestMemory } from "./guest-memory.ts";
import { fetchOutside, type GuestRequest } from "./http-exchange.ts";
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_BODY_SHARE_MAX,
  HTTP_HEADERS_BYTES_MAX,
  HTTP_METHODS,
  HTTP_RESULT,
  HTTP_URL_BYTES_MAX,
  type HttpResult,
} from "./http-protocol.ts";
import { writeStdio } from "./stdio.ts";
import { WasiError } from "./wasi-errno.ts";

/**
 * The guest's `http_request`. Every pointer is checked before anything is sent, and nothing but the two response buffers is written
 * unless the answer is 0. Without a door it answers `notAllowed`, so that a module which only sometimes uses the network runs.
 */
export function httpRequestCall(memory: GuestMemory, hasDoor: boolean): (...args: unknown[]) => number {
  let hasExplained = false;
  const refuse = (): HttpResult => {
    if (!hasExplained) writeStdio(STDERR_FD, Buffer.from(NO_NETWORK_WORDS));
    hasExplained = true;
    return "notAllowed";
  };
  return (...args) => HTTP_RESULT[answer(memory, args, hasDoor ? fetchOutside : refuse)];
}

function answer(memory: GuestMemory, args: readonly unknown[], fetch: (request: GuestRequest) => HttpResult): HttpResult {
  try {
    const call = toCall(args);
    const url = readUrl(memory, call);
    if (url === undefined || !URL.canParse(url)) return "invalidUrl";
    return fetch(readRequest(memory, call, url));
  } catch (error) {
    if (error instanceof WasiError) return "badInput";
    throw error;
  }
}

/** The guest's arguments, all of them unsigned. */
interface Call {
  readonly method: number;
  readonly url: Region;
  readonly headers: Region;
  readonly body: Region;
  readonly responseHeaders: Buffers;
  readonly responseBody: Buffers;
  /** 0: the guest does not want it. */
  readonly statusPointer: number;
}

interface Region {
  readonly pointer: number;
  readonly length: number;
}

/** A buffer of the guest and the cell that holds its size, and then how much was written. */
interface Buffers {
  readonly pointer: number;
  readonly lengthPointer: number;
}

function toCall(args: readonly unknown[]): Call {
  const numbers = args.map((value) => (typeof value === "number" ? value >>> 0 : undefined));
  if (numbers.length !== PARAMETERS || numbers.includes(undefined)) throw new WasiError("EINVAL");
  const at = (index: number): number => numbers[index] ?? 0;
  const region = (index: number): Region => ({ pointer: at(index), length: at(index) === 0 ? 0 : at(index + 1) });
  const buffers = (index: number): Buffers => ({ pointer: at(index), lengthPointer: at(index + 1) });
  return {
    method: at(0),
    url: { pointer: at(1), length: at(2) },
    headers: region(3),
    body: region(5),
    responseHeaders: buffers(7),
    responseBody: buffers(9),
    statusPointer: at(11),
  };
}

/** Undefined when it is too long or no UTF-8. @throws WasiError EFAULT. */
function readUrl(memory: GuestMemory, { url }: Call): string | undefined {
  memory.bytes(url.pointer, url.length);
  if (url.length > HTTP_URL_BYTES_MAX) return undefined;
  try {
    return memory.text(url.pointer, url.length);
  } catch {
    // The region was checked above, so it is the encoding.
    return undefined;
  }
}

/** @throws WasiError for whatever does not lie in the guest's memory or is no valid input. */
function readRequest(memory: GuestMemory, call: Call, url: string): GuestRequest {
  const method = HTTP_METHODS[call.method];
  if (method === undefined || call.headers.length > HTTP_HEADERS_BYTES_MAX) throw new WasiError("EINVAL");
  const headersSize = bufferSize(memory, call.responseHeaders);
  const bodySize = bufferSize(memory, call.responseBody);
  if (call.statusPointer !== 0) memory.bytes(call.statusPointer, 4);
  return {
    ask: {
      type: "httpRequest",
      method,
      url,
      headers: memory.text(call.headers.pointer, call.headers.length),
      bodyBytes: memory.bytes(call.body.pointer, call.body.length).length,
      responseHeadersBytesMax: Math.min(headersSize, HTTP_HEADERS_BYTES_MAX),
      responseBodyBytesMax: Math.min(bodySize, HTTP_BODY_BYTES_MAX, Math.floor(memory.sizeBytes * HTTP_BODY_SHARE_MAX)),
    },
    body: (offset, length) => memory.bytes(call.body.pointer + offset, length),
    responseBody: (offset, length) => memory.bytes(call.responseBody.pointer + offset, length),
    accept: ({ status, headers, bodyBytes }) => {
      memory.bytes(call.responseHeaders.pointer, headers.length).set(headers);
      memory.setU32(call.responseHeaders.lengthPointer, headers.length);
      memory.setU32(call.responseBody.lengthPointer, bodyBytes);
      if (call.statusPointer !== 0) memory.setU32(call.statusPointer, status);
    },
  };
}

function bufferSize(memory: GuestMemory, { pointer, lengthPointer }: Buffers): number {
  if (pointer === 0 || lengthPointer === 0) throw new WasiError("EINVAL");
  return memory.bytes(pointer, memory.getU32(lengthPointer)).length;
}

const PARAMETERS = 12;
const STDERR_FD = 2;
const NO_NETWORK_WORDS =
  "skrei: http_request is not allowed: this task has no network. Ask for it in the job, such as with --network api.example.com.\n";
