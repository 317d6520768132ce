import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { OnReadOpts, Socket } from "node:net";
import { DirectBody } from "./direct-body-reader.ts";

/**
 * Lets an agent's connections serve `divertBody`: node:http reads the heads of answers, but a body goes from the connection into large
 * buffers that are used again. Node alone makes a buffer for each 64 KiB and copies it: three times the CPU, and memory to be collected.
 */
export function withDirectBodies<AnyAgent extends Agent>(agent: AnyAgent): AnyAgent {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const reading: Reading = { isHead: true, body: undefined };
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const onread: OnReadOpts = {
      buffer: () => reading.body?.room ?? buffer,
      callback: (sizeBytes, bytes) => {
        if (reading.body !== undefined) return reading.body.take(sizeBytes);
        return passOn(socket as Socket, reading, Buffer.from(bytes.buffer, bytes.byteOffset, sizeBytes));
      },
    };
    const socket = connect({ ...options, onread } as typeof options, callback);
    readings.set(socket as Socket, reading);
    return socket;
  };
  return agent;
}

/**
 * Before the request is sent, by an agent `withDirectBodies`: a body of at least `bytesMin`, whose length the head tells, will be had by
 * `directBodyOf` alone. Its connection serves no other request.
 */
export function divertBody(request: ClientRequest, bytesMin: number): void {
  request.once("socket", (socket) => {
    const reading = readings.get(socket);
    if (reading !== undefined) reading.isHead = true;
  });
  request.once("response", (response) => {
    const { socket, statusCode, headers } = response;
    const reading = readings.get(socket);
    if (reading === undefined) return;
    reading.isHead = false;
    const sizeBytes = Number(headers["content-length"] ?? 0);
    if ((statusCode !== 200 && statusCode !== 206) || sizeBytes === 0 || sizeBytes < bytesMin) return;
    reading.body = new DirectBody(socket, sizeBytes);
    bodies.set(response, reading.body);
  });
}

/** The body of an answer, if it was diverted. */
export function directBodyOf(response: IncomingMessage): DirectBody | undefined {
  return bodies.get(response);
}

interface Reading {
  /** Of an answer that is diverted, perhaps. */
  isHead: boolean;
  body: DirectBody | undefined;
}

/** A head line by line, for whatever is behind it may not be the parser's. */
function passOn(socket: Socket, reading: Reading, bytes: Buffer): boolean {
  let at = 0;
  while (reading.isHead && at < bytes.length && !socket.destroyed) {
    const end = bytes.indexOf(LF, at) + 1 || bytes.length;
    socket.emit("data", bytes.subarray(at, end));
    at = end;
  }
  if (at === bytes.length || socket.destroyed) return true;
  if (reading.body !== undefined) return reading.body.add(bytes.subarray(at));
  return socket.emit("data", bytes.subarray(at));
}

const readings = new WeakMap<Socket, Reading>();
const bodies = new WeakMap<IncomingMessage, DirectBody>();
const LF = 0x0a;
const READ_BYTES = 65_536;
