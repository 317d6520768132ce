import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CarBlockIterator } from "@ipld/car";
import { CID } from "multiformats/cid";
import { freePort } from "./free-port.ts";

/** As much of a Kubo daemon's RPC as publishing and fetching take: `dag/import`, `pin/ls`, `block/get`. Every block is verified. */
export interface KuboServer extends AsyncDisposable {
  readonly url: string;
  readonly blocks: ReadonlyMap<string, Uint8Array>;
  readonly pins: ReadonlySet<string>;
  /** Calls so far, such as `dag/import`. */
  readonly calls: readonly string[];
  /** Answers from now on with this in place of its own; undefined: as it should. */
  answerWith(answer: { readonly status: number; readonly body: string } | undefined): void;
  stop(): Promise<void>;
  /** After `stop`, on the same port. */
  startAgain(): Promise<void>;
}

export async function startKuboServer(): Promise<KuboServer> {
  const blocks = new Map<string, Uint8Array>();
  const pins = new Set<string>();
  const calls: string[] = [];
  let forced: { readonly status: number; readonly body: string } | undefined;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://kubo");
    const call = pathname.replace("/api/v0/", "");
    calls.push(call);
    const answer = async (): Promise<void> => {
      if (forced !== undefined) return void response.writeHead(forced.status, { connection: "close" }).end(forced.body);
      if (request.method !== "POST") return void response.writeHead(405).end();
      if (call === "dag/import") return await importCar(request, response, { blocks, pins });
      const cid = searchParams.get("arg") ?? "";
      if (call === "pin/ls") {
        if (!pins.has(cid)) return fail(response, `path '${cid}' is not pinned`);
        return void response.end(JSON.stringify({ Keys: { [cid]: { Type: "recursive", Name: "" } } }));
      }
      const block = blocks.get(cid);
      if (call !== "block/get" || block === undefined)
        return fail(response, `block was not found locally (offline): ipld: could not find ${cid}`);
      response.end(block);
    };
    answer().catch((error: unknown) => fail(response, String(error)));
  });
  const port = await freePort();
  const listen = async (): Promise<void> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  await listen();
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    blocks,
    pins,
    calls,
    answerWith: (answer) => (forced = answer),
    stop,
    startAgain: listen,
    [Symbol.asyncDispose]: stop,
  };
}

interface Repository {
  readonly blocks: Map<string, Uint8Array>;
  readonly pins: Set<string>;
}

async function importCar(request: IncomingMessage, response: ServerResponse, { blocks, pins }: Repository): Promise<void> {
  const car = await CarBlockIterator.fromIterable(fileOfForm(request));
  for await (const { cid, bytes } of car) {
    const digest = createHash("sha256").update(bytes).digest();
    if (cid.multihash.code !== 0x12 || !digest.equals(cid.multihash.digest)) throw new Error(`block ${cid.toString()} has another hash`);
    blocks.set(cid.toString(), bytes);
  }
  for (const root of await car.getRoots()) {
    const cid = CID.parse(root.toString()).toString();
    if (!blocks.has(cid)) throw new Error(`root ${cid} is not in the CAR`);
    pins.add(cid);
    response.write(`${JSON.stringify({ Root: { Cid: { "/": cid }, PinErrorMsg: "" } })}\n`);
  }
  response.end();
}

/** The bytes of the one file of a `multipart/form-data` body. */
async function* fileOfForm(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  const boundary = /boundary=(\S+)/u.exec(request.headers["content-type"] ?? "")?.[1] ?? "";
  const end = Buffer.from(`\r\n--${boundary}--`);
  let held = Buffer.alloc(0);
  let isInFile = false;
  for await (const piece of request as AsyncIterable<Buffer>) {
    held = Buffer.concat([held, piece]);
    if (!isInFile) {
      const start = held.indexOf("\r\n\r\n");
      if (start < 0) continue;
      held = held.subarray(start + 4);
      isInFile = true;
    }
    const last = held.indexOf(end);
    if (last >= 0) return void (yield held.subarray(0, last));
    const sure = Math.max(0, held.length - end.length);
    if (sure > 0) yield held.subarray(0, sure);
    held = held.subarray(sure);
  }
  throw new Error("the form has no end");
}

function fail(response: ServerResponse, message: string): void {
  response.writeHead(500, { "content-type": "application/json" });
  response.end(JSON.stringify({ Message: message, Code: 0, Type: "error" }));
}
