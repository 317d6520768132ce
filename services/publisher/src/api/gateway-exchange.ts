import type { ServerResponse } from "node:http";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import type { GatewayRequest } from "./gateway-request.ts";

/** One answer in the making. */
export interface Exchange {
  readonly request: GatewayRequest;
  readonly response: ServerResponse;
  readonly load: LoadBlock;
  /** What the path leads to. */
  readonly target: ContentId;
}
