import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** One request as it came: its head's first line, headers by lower-case name, and the bytes of the body that had come with it. */
export interface ScriptedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** What the server does with one request; it writes raw bytes, so that it can lie. */
export type ScriptedAnswer = (socket: Socket, request: ScriptedRequest) => void | Promise<void>;

/** A server on loopback that answers each request by the next of `answers`, the last one for ever. */
export interface ScriptedS3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  readonly requests: readonly ScriptedRequest[];
  /** Connections that were ever accepted, and those that are open. */
  readonly accepted: () => number;
  readonly open: () => number;
  /** Bytes that clients took. */
  readonly bytesWritten: () => number;
}

export async function startScriptedS3(...answers: readonly ScriptedAnswer[]): Promise<ScriptedS3> {
  const requests: ScriptedRequest[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  let closedBytes = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => undefined); // Clients hang up on misbehaviour; that is the test.
    socket.on("close", () => {
      sockets.delete(socket);
      closedBytes += socket.bytesWritten;
    });
    let text = "";
    let skipBytes = 0;
    socket.on("data", (piece) => {
      const skipped = Math.min(skipBytes, piece.length);
      skipBytes -= skipped;
      text += piece.toString("latin1", skipped);
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const request = parseHead(text.slice(0, end));
        const bodyBytes = Number(request.headers.get("content-length") ?? 0);
        const rest = text.slice(end + 4);
        text = rest.slice(bodyBytes);
        skipBytes = Math.max(bodyBytes - rest.length, 0);
        requests.push(request);
        void answers[Math.min(requests.length, answers.length) - 1]?.(socket, request);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    requests,
    accepted: () => accepted,
    open: () => sockets.size,
    bytesWritten: () => closedBytes + [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A whole answer that keeps the connection. */
export function answer(status: number, headers: Readonly<Record<string, string>> = {}, body = ""): ScriptedAnswer {
  const lines = Object.entries({ "content-length": String(Buffer.byteLength(body)), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return (socket, { method }) => void socket.write(`HTTP/1.1 ${status} X\r\n${lines.join("")}\r\n${method === "HEAD" ? "" : body}`);
}

/** A refusal as S3 words it. */
export function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}, message = ""): ScriptedAnswer {
  return answer(status, headers, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}

function parseHead(head: string): ScriptedRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const);
  return { method, target, headers: new Map(headers) };
}
