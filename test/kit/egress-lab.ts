import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createRouterTransport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { type Logger, silentLogger } from "@skrei/platform/logger.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService, type OpenDoorResponse } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { NetworkProxyConfig } from "../../services/network-proxy/src/config.ts";
import { createNetworkProxyService, type NetworkProxyService } from "../../services/network-proxy/src/service.ts";
import { randomExecutionId } from "./random-execution-id.ts";

/** A network-proxy in this process whose names all lead where the test says. */
export interface EgressLab extends AsyncDisposable {
  readonly proxy: NetworkProxyService;
  readonly client: Client<typeof DoorService>;
  readonly dataFolder: string;
  /** Name to addresses, now or later; may be changed at any time. */
  readonly names: Map<string, readonly string[] | Promise<readonly string[]>>;
  /** Opens a door of mode http. */
  open(domains: readonly string[], options?: { readonly egressBytesMax?: number; readonly clusterUrls?: string[] }): Promise<LabDoor>;
}

export interface LabDoor extends OpenDoorResponse {
  readonly executionId: string;
  /** Value of the header Proxy-Authorization. */
  readonly authorization: string;
}

/** Settings of the proxy that are not said are those of a lab: mode http, any listed name, origins on 127.0.0.0/8, no rate. */
export async function startEgressLab(
  settings: Readonly<Record<string, unknown>> = {},
  { logger = silentLogger }: { readonly logger?: Logger } = {},
): Promise<EgressLab> {
  const folder = mkdtempSync(join(tmpdir(), "skrei-egress-"));
  const names: EgressLab["names"] = new Map();
  const resolve = async (host: string): Promise<readonly string[]> => {
    const addresses = names.get(host);
    if (addresses === undefined) throw new DomainError("unavailable", "EGRESS_NAME_UNRESOLVED", `${host} has no address.`);
    return await addresses;
  };
  const lab = {
    modes: ["none", "http", "full"],
    domains: ["*"],
    allowedNetworks: ["127.0.0.0/8"],
    rateBitsPerSecond: 0,
    dataFolder: folder,
  };
  const proxy = createNetworkProxyService(NetworkProxyConfig.parse({ ...lab, ...settings }), { logger, resolver: { resolve } });
  await proxy.start();
  const transport = createRouterTransport(proxy.routes, { router: { interceptors: [serverErrors(silentLogger)] } });
  const client = createClient(DoorService, clientErrors(transport));
  return {
    proxy,
    client,
    dataFolder: folder,
    names,
    open: async (domains, { egressBytesMax = 0, clusterUrls = [] } = {}) => {
      const executionId = randomExecutionId();
      const network = { mode: Network_Mode.HTTP, domains: [...domains], egressBytesMax: BigInt(egressBytesMax) };
      const door = await client.openDoor({ executionId, network, owner: "n-lab", clusterUrls });
      return Object.assign(door, { executionId, authorization: basic(door.credential) });
    },
    [Symbol.asyncDispose]: async () => {
      await proxy.stop("test over");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function basic(credential: string): string {
  return `Basic ${Buffer.from(credential).toString("base64")}`;
}

/** What a connection has sent until it ended, or until `isDone` says that it is enough. */
export async function readFrom(socket: Socket, isDone: (text: string) => boolean = () => false): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const finish = (): void => resolve(text);
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    if (isDone(text)) finish();
  });
  socket.on("end", finish).on("close", finish).on("error", finish);
  if (socket.readableEnded || socket.closed) finish();
  socket.resume();
  return await promise;
}

/** Sends these very bytes to a door and returns all that comes back until it hangs up, or until `isDone`. */
export async function sendRaw(door: LabDoor, bytes: string | Buffer, isDone?: (text: string) => boolean): Promise<string> {
  const socket = connect(door.socketPath);
  const reading = readFrom(socket, isDone);
  socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  const text = await reading;
  socket.destroy();
  return text;
}

/** A plain request with the door's credential and the connection closed after it. */
export function getRequest(door: LabDoor, url: string, headers: readonly string[] = ["Connection: close"]): string {
  return [
    `GET ${url} HTTP/1.1`,
    `Host: ${URL.parse(url)?.host ?? "x"}`,
    `Proxy-Authorization: ${door.authorization}`,
    ...headers,
    "",
    "",
  ].join("\r\n");
}
