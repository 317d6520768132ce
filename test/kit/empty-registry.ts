import { once } from "node:events";
import { createServer } from "node:http";

/** An image registry on loopback that has no image. */
export interface EmptyRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`; the engine speaks plain HTTP to loopback. */
  readonly host: string;
}

export async function startEmptyRegistry(): Promise<EmptyRegistry> {
  const server = createServer(({ url = "" }, response) => {
    const isPing = url === "/v2/";
    response.writeHead(isPing ? 200 : 404, { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0" });
    response.end(JSON.stringify(isPing ? {} : { errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the registry does not listen on a TCP port");
  return {
    host: `127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
