import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/free-port.ts";

const SOURCES = join(import.meta.dirname, "../../services/compute-agent/holder");
const KIB = 1024;
const within = { withinMs: 10_000 };

let folder = "";
let port = 0;
let holder: ChildProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "holder-"));
  port = await freePort();
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
});

async function startHolder(): Promise<void> {
  holder = spawn(join(SOURCES, "holder-amd64"), ["door", folder, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(async () => {
    expect(holder.exitCode).toBeNull();
    holder.kill("SIGKILL");
    await once(holder, "exit");
  });
  const [said] = (await once(holder.stdout ?? holder, "data")) as [Buffer];
  expect(String(said)).toBe("ready\n");
}

/** A proxy's door, and the connections that it got. */
async function openDoor(name: string, serve: (socket: Socket) => void): Promise<{ server: Server; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on("error", () => undefined));
    serve(socket);
  });
  await once(server.listen(join(folder, name)), "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, sockets };
}

function point(name: string): void {
  symlinkSync(join(folder, name), join(folder, "door"));
}

function dial(): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** How a connection ended: the code of its error, or "end". */
async function endOf(socket: Socket): Promise<string> {
  socket.resume();
  return await new Promise((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).on("end", () => resolve("end"));
  });
}

/** Undefined when the connection is reset before. */
async function firstWordOf(socket: Socket): Promise<string | undefined> {
  return await new Promise((resolve) => {
    socket.on("error", () => resolve(undefined)).on("data", (data: Buffer) => resolve(data.toString()));
  });
}

describe.runIf(process.arch === "x64")("the holder's relay", () => {
  test("passes bytes and ends of both directions", async () => {
    await openDoor("a", (socket) => void text(socket).then((said) => socket.end(`you said ${String(said.length)}`)));
    point("a");
    await startHolder();
    const socket = dial();
    socket.end("x".repeat(300 * KIB));
    expect(await text(socket)).toBe(`you said ${String(300 * KIB)}`);
  });

  test("passes on what the door still sends after it has ended its reading, and the other way round", async () => {
    const { sockets } = await openDoor("a", (socket) => socket.end("bye"));
    point("a");
    await startHolder();
    const socket = dial();
    expect(await text(socket)).toBe("bye");
    socket.end("late");
    expect(await text(sockets[0] ?? socket)).toBe("late");
  });

  test("resets while there is no door and nobody behind it, and serves as soon as there is", async () => {
    await startHolder();
    expect(await endOf(dial())).toBe("ECONNRESET");
    point("a");
    expect(await endOf(dial())).toBe("ECONNRESET");
    await openDoor("a", (socket) => socket.end("here"));
    expect(await text(dial())).toBe("here");
  });

  test("finds a door again that was made anew at its path", async () => {
    const { server, sockets } = await openDoor("a", (socket) => socket.end("old"));
    point("a");
    await startHolder();
    expect(await text(dial())).toBe("old");
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await openDoor("a", (socket) => socket.end("new"));
    expect(await text(dial())).toBe("new");
  });

  test("resets the connections of a door that goes or is moved, and they reach no other", async () => {
    const first = await openDoor("a", (socket) => socket.write("a"));
    const second = await openDoor("b", (socket) => socket.write("b"));
    point("a");
    await startHolder();
    const [early, later] = [dial(), dial()];
    await Promise.all([once(early, "data"), once(later, "data")]);
    unlinkSync(join(folder, "door"));
    expect(await Promise.all([endOf(early), endOf(later)])).toEqual(["ECONNRESET", "ECONNRESET"]);
    await eventually(() => first.sockets.every(({ readableEnded, destroyed }) => readableEnded || destroyed), Boolean, within);
    point("b");
    // Who comes before the relay has seen where the door is now is reset too.
    await eventually(
      () => firstWordOf(dial()),
      (word) => word === "b",
      within,
    );
    expect([first.sockets.length, second.sockets.length]).toEqual([2, 1]);
  });

  test("resets what was waiting for the door of before, however fast the door is moved", async () => {
    await openDoor("a", (socket) => socket.write("a"));
    const { sockets } = await openDoor("b", (socket) => socket.write("b"));
    point("a");
    await startHolder();
    holder.kill("SIGSTOP");
    const waiting = Array.from({ length: 200 }, dial);
    await Promise.all(waiting.map((socket) => once(socket, "connect")));
    for (const socket of waiting) socket.end("said to a");
    unlinkSync(join(folder, "door"));
    point("b");
    holder.kill("SIGCONT");
    expect(new Set(await Promise.all(waiting.map(endOf)))).toEqual(new Set(["ECONNRESET"]));
    expect(sockets).toEqual([]);
    expect(String(((await once(dial(), "data")) as [Buffer])[0])).toBe("b");
  });

  test("tells the door at once that a client has reset", async () => {
    const { sockets } = await openDoor("a", (socket) => socket.write("a"));
    point("a");
    await startHolder();
    const socket = dial();
    await once(socket, "data");
    socket.resetAndDestroy();
    await once(sockets[0]?.resume() ?? socket, "end");
  });

  test("lets a client see the answer that came before its request was read, then resets it", async () => {
    await openDoor("a", (socket) => socket.once("data", () => socket.end("403", () => socket.destroy())));
    point("a");
    await startHolder();
    const socket = dial();
    socket.write("x".repeat(4_096 * KIB));
    const answer = once(socket, "data") as Promise<[Buffer]>;
    const end = endOf(socket);
    expect(String((await answer)[0])).toBe("403");
    expect(await end).toBe("end");
    // It was told; one that goes on sending is cut.
    const sending = setInterval(() => socket.write("more"), 50);
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    clearInterval(sending);
    expect(["ECONNRESET", "EPIPE"]).toContain(error.code);
  });

  test("takes no more of a client than the door takes", async () => {
    const { sockets } = await openDoor("a", (socket) => socket.pause());
    point("a");
    await startHolder();
    const socket = dial();
    let sent = 0;
    const send = (): void => {
      while (socket.write(Buffer.alloc(16 * KIB))) sent += 16 * KIB;
    };
    socket.on("drain", send);
    send();
    const settled = async (): Promise<boolean> => {
      const before = socket.bytesWritten - socket.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return sockets.length === 1 && before === socket.bytesWritten - socket.writableLength;
    };
    await eventually(settled, Boolean, within);
    // Most of it in the client's own buffer, which the kernel lets grow to 4 MiB.
    expect(sent).toBeLessThan(6_144 * KIB);
    socket.off("drain", send).end();
    let received = 0;
    sockets[0]?.on("data", (data: Buffer) => (received += data.length)).resume();
    await once(sockets[0] ?? socket, "end");
    expect(received).toBe(socket.bytesWritten);
  });

  test("serves 512 connections and lets more wait for one that ends", async () => {
    await openDoor("a", (socket) => socket.write("a"));
    point("a");
    await startHolder();
    const served = new Set<Socket>();
    const sockets = Array.from({ length: 530 }, dial);
    for (const socket of sockets) socket.on("data", () => served.add(socket));
    await eventually(
      () => served.size,
      (size) => size === 512,
      within,
    );
    const waiting = sockets.filter((socket) => !served.has(socket));
    for (const socket of [...served].slice(0, 18)) socket.resetAndDestroy();
    await eventually(
      () => waiting.filter((socket) => !served.has(socket)).length,
      (left) => left === 0,
      within,
    );
    expect(residentKibibytes()).toBeLessThan(24 * KIB);
  });

  test("goes on after clients that behave badly", async () => {
    await openDoor("a", (socket) => socket.on("data", (data) => socket.write(data)));
    point("a");
    await startHolder();
    const bad = Array.from({ length: 200 }, (_, number) => {
      const socket = dial().on("error", () => undefined);
      socket.write("x".repeat(64 * KIB * (number % 3)));
      return once(socket, "connect").then(() => (number % 2 === 0 ? socket.resetAndDestroy() : socket.destroy()));
    });
    await Promise.all(bad);
    const socket = dial();
    socket.write("still there");
    expect(String(((await once(socket, "data")) as [Buffer])[0])).toBe("still there");
    await eventually(idleTicks, (ticks) => ticks === 0, within);
  });
});

test.runIf(process.arch === "x64" && process.getuid?.() === 0)("a holder that may not close its namespace says so and ends", () => {
  // In a namespace of its own: closed it would be for good.
  const asNobody = ["--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
  const { status, stdout } = spawnSync("unshare", [...asNobody, join(SOURCES, "holder-amd64"), "closed", "10.0.0.0/8"], {
    encoding: "utf8",
  });
  expect({ status, stdout }).toEqual({ status: 1, stdout: "the kernel takes no netfilter table (nf_tables) from the holder\n" });
});

function residentKibibytes(): number {
  return Number(/^VmRSS:\s+(\d+)/mu.exec(readFileSync(`/proc/${String(holder.pid)}/status`, "utf8"))?.[1]);
}

/** Processor time that the holder takes while nothing happens. */
async function idleTicks(): Promise<number> {
  const read = (): number => {
    const fields = readFileSync(`/proc/${String(holder.pid)}/stat`, "utf8").split(" ");
    return Number(fields[13]) + Number(fields[14]);
  };
  const before = read();
  await new Promise((resolve) => setTimeout(resolve, 500));
  return read() - before;
}

describe("the holder's binaries", () => {
  test("are of the sources beside them", () => {
    execFileSync("sha256sum", ["--check", "--quiet", "--strict", "SOURCES"], { cwd: SOURCES });
  });

  test.runIf(areCompilersTheSame())("are what these compilers make of them", () => {
    const built = mkdtempSync(join(tmpdir(), "holder-build-"));
    onTestFinished(() => rmSync(built, { recursive: true }));
    cpSync(SOURCES, built, { recursive: true });
    execFileSync("bash", [join(built, "build.sh")]);
    for (const name of ["holder-amd64", "holder-arm64"])
      expect(readFileSync(join(built, name)).equals(readFileSync(join(SOURCES, name))), name).toBe(true);
  });
});

function areCompilersTheSame(): boolean {
  const versions = ["gcc", "aarch64-linux-gnu-gcc"].map((name) => spawnSync(name, ["--version"], { encoding: "utf8" }).stdout ?? "");
  return versions.map((version) => `${version.split("\n")[0] ?? ""}\n`).join("") === readFileSync(join(SOURCES, "COMPILERS"), "utf8");
}
