import type { IncomingMessage, ServerResponse } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema } from "@skrei/proto/google/rpc/error_details_pb.ts";
import { ERROR_DOMAIN } from "./connect-errors.ts";

/** Answers `unimplemented` to a call of a method that a known service does not have. False: the request is something else. */
export function refuseUnknownMethod(services: ReadonlySet<string>, request: IncomingMessage, response: ServerResponse): boolean {
  const [, service = "", method = ""] = (request.url ?? "").split(/[/?]/u);
  if (request.method !== "POST" || !services.has(service)) return false;
  const message = `${service} has no method ${method.slice(0, NAME_LENGTH_MAX)}`;
  const type = request.headers["content-type"] ?? "";
  if (type.startsWith("application/grpc")) {
    response.writeHead(200, {
      "content-type": type,
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": encodeURIComponent(message),
    });
    response.end();
  } else {
    const info = { desc: ErrorInfoSchema, value: { reason: "FEATURE_NOT_AVAILABLE", domain: ERROR_DOMAIN } };
    const error = new ConnectError(message, Code.Unimplemented, undefined, [info]);
    response.writeHead(501, { "content-type": "application/json" });
    response.end(JSON.stringify(errorToJson(error, undefined)));
  }
  request.resume();
  return true;
}

const NAME_LENGTH_MAX = 64;
