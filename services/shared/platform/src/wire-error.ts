import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { toConnectError } from "./connect-errors.ts";

/** An error with code, message and details as bytes: Connect's JSON, cut to code and message when over `bytesMax`. */
export function encodeError(error: unknown, bytesMax: number): Uint8Array {
  const connectError = toConnectError(error);
  const bytes = errorToJsonBytes(connectError, undefined);
  if (bytes.byteLength <= bytesMax) return bytes;
  return errorToJsonBytes(new ConnectError(connectError.rawMessage.slice(0, MESSAGE_LENGTH_MAX), connectError.code), undefined);
}

/** The error that the other side threw. */
export function decodeError(bytes: Uint8Array): ConnectError {
  return errorFromJsonBytes(bytes, undefined, new ConnectError("the answer is an error that cannot be read", Code.Internal));
}

const MESSAGE_LENGTH_MAX = 1_000;
