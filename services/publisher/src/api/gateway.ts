import type { IncomingMessage, ServerResponse } from "node:http";
import { DomainError } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { type LoadBlock, resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { Clock, ContentStore } from "../ports.ts";
import { type AccessKeys, checkDownloadLink } from "./access.ts";
import { sendBlocks, sendCar } from "./gateway-car.ts";
import type { Exchange } from "./gateway-exchange.ts";
import { sendFile } from "./gateway-file.ts";
import { sendFolder } from "./gateway-folder.ts";
import { type GatewayRequest, parseGatewayRequest } from "./gateway-request.ts";
import { sendError, sendWhole } from "./gateway-send.ts";

export interface GatewayOptions {
  readonly keys: AccessKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Trustless gateway with signed links: `GET /ipfs/<cid>[/path]?token=…`, as file, folder, raw block or CAR. */
export function createGateway(
  ports: { readonly store: ContentStore },
  options: GatewayOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    request.resume();
    answer(ports.store, options, request, response).catch((error: unknown) => {
      if (!(error instanceof DomainError)) options.logger.error({ event: "gateway.failed", err: error }, "gateway request failed");
      sendError(response, error);
    });
  };
}

async function answer(
  store: ContentStore,
  { keys, clock }: GatewayOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const request = parseGatewayRequest(incoming);
  const root = parseCid(checkDownloadLink(request.token, keys, clock)).toString();
  for (const cid of [request.root, ...request.blocks]) checkBelow(store, root, cid);
  if (request.format === "car" && request.blocks.length > 0)
    return await sendBlocks({ request, response, load: async (cid) => await store.get(cid.toString()), target: request.root });
  const visited = new Map<string, ContentId>();
  const load: LoadBlock = async (cid) => await store.get(cid.toString());
  const loadNoted: LoadBlock = async (cid) => {
    visited.set(cid.toString(), cid);
    return await load(cid);
  };
  const steps = await stepsTo(loadNoted, request);
  const target = steps.at(-1) ?? request.root;
  response.setHeader("x-ipfs-path", ["/ipfs", request.root.toString(), ...request.path.map(encodeURIComponent)].join("/"));
  response.setHeader("x-ipfs-roots", steps.join(","));
  const exchange: Exchange = { request, response, load, target };
  if (request.format === "raw")
    return sendWhole(exchange, { etag: `"${target.toString()}.raw"`, type: "application/vnd.ipld.raw", body: await load(target) });
  if (request.format === "car") return await sendCar(exchange, [...visited.values()]);
  await sendUnixfs(exchange);
}

/** The root and what each name of the path leads to. */
async function stepsTo(load: LoadBlock, { root, path }: GatewayRequest): Promise<readonly ContentId[]> {
  const steps = [root];
  for (const name of path) {
    const next = await resolvePath(load, steps.at(-1) ?? root, [name]);
    if (next === undefined)
      throw new DomainError("notFound", "RESULT_NOT_FOUND", `There is no ${path.join("/")} below ${root.toString()}.`, {
        hint: "List the folder above it.",
      });
    steps.push(next);
  }
  return steps;
}

function checkBelow(store: ContentStore, root: string, cid: ContentId): void {
  if (store.isBelow(root, cid.toString())) return;
  throw new DomainError("forbidden", "LINK_INVALID", `The link is not for ${cid.toString()}, or that content is not kept here.`, {
    hint: "Ask the scheduler for a link to this content.",
  });
}

async function sendUnixfs(exchange: Exchange): Promise<void> {
  const { load, target } = exchange;
  const node = decodeNode(target, await load(target));
  if (node.kind === "file") return await sendFile(exchange, node.sizeBytes);
  if (node.kind === "symlink")
    return sendWhole(exchange, { etag: `"${target.toString()}"`, type: "inode/symlink", body: Buffer.from(node.target) });
  await sendFolder(exchange);
}
