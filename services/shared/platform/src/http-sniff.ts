import type { Socket } from "node:net";

/** Whether the connection opens with HTTP/2's preface. The bytes stay on the socket. Rejects when too few come in time. */
export function isHttp2Preface(socket: Socket, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => settle(() => reject(new Error("no bytes in time"))), timeoutMs);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose).off("end", onClose);
      act();
    };
    const onClose = (): void => settle(() => reject(new Error("closed before the first bytes")));
    const onData = (data: Buffer): void => {
      head = Buffer.concat([head, data]);
      const length = Math.min(head.length, PREFACE.length);
      const isSame = head.subarray(0, length).equals(PREFACE.subarray(0, length));
      if (isSame && length < PREFACE.length) return;
      settle(() => {
        socket.pause();
        socket.unshift(head);
        resolve(isSame);
        // The server that takes over has its listeners on by then.
        setImmediate(() => socket.resume());
      });
    };
    socket.on("data", onData).on("close", onClose).on("end", onClose);
  });
}

/** No HTTP/1.1 method begins so. */
const PREFACE = Buffer.from("PRI ");
