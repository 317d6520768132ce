import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { afterEach, expect, test } from "vitest";
import { startCountingOrigin } from "../kit/counting-origin.ts";
import { getThrough } from "../kit/door-client.ts";
import { basic, getRequest, readFrom } from "../kit/egress-lab.ts";
import { eventually } from "../kit/eventually.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { startServiceProcess } from "../kit/service-process.ts";

let kept = new AsyncDisposableStack();
afterEach(async () => {
  await kept.disposeAsync();
  kept = new AsyncDisposableStack();
});

test("a proxy that is killed in mid-transfer comes back with its doors, their secrets and their counts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skrei-killed-"));
  kept.defer(() => rmSync(folder, { recursive: true, force: true }));
  const chunk = Buffer.alloc(10_000);
  const origin = kept.use(
    await startCountingOrigin({
      onBytes: (socket, all) => {
        if (all.includes("/small")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall");
        else socket.write(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n"), chunk]));
      },
    }),
  );
  const proxy = kept.use(
    await startServiceProcess("network-proxy", {
      "data-folder": folder,
      modes: "none,http",
      domains: "*",
      "allowed-networks": "127.0.0.0/8",
      ports: String(origin.port),
    }),
  );
  const api = createClient(DoorService, createHttpTransport({ url: proxy.url }));
  const executionId = randomExecutionId();
  // An address needs no name server.
  const network = { mode: Network_Mode.HTTP, domains: ["127.0.0.1"] };
  const opened = await api.openDoor({ executionId, network, owner: "n-1" });
  const door = { ...opened, executionId, authorization: basic(opened.credential) };
  const url = `http://127.0.0.1:${origin.port}`;
  expect((await getThrough(door, `${url}/small`)).body).toBe("small");
  expect((await getThrough(door, "http://other.test/")).status).toBe(403);
  const socket = connect(door.socketPath);
  const transfer = readFrom(socket);
  socket.write(getRequest(door, `${url}/large`));
  const use = async (): Promise<{ requests: bigint; denied: bigint; receivedBytes: bigint } | undefined> =>
    (await api.listDoors({})).doors[0]?.use;
  await eventually(use, (now) => (now?.receivedBytes ?? 0n) > 10_000n, { withinMs: 5_000 });
  expect((await getThrough(door, "http://other.test/")).status).toBe(403);
  const before = await use();
  const countedAtMs = Date.now();
  // What was counted before the journal was written is in it.
  await eventually(
    () => statSync(join(folder, "doors.db-wal")).mtimeMs,
    (writtenAtMs) => writtenAtMs > countedAtMs,
    { withinMs: 5_000 },
  );

  await proxy.restart();
  expect((await transfer).length).toBeGreaterThan(10_000);
  await eventually(
    () => origin.connections(),
    (open) => open === 0,
    { withinMs: 2_000 },
  );
  expect(await use()).toMatchObject({ requests: 2n, denied: 2n, receivedBytes: before?.receivedBytes });
  expect(await api.openDoor({ executionId, network, owner: "n-1" })).toMatchObject({
    credential: door.credential,
    socketPath: door.socketPath,
  });
  expect((await getThrough(door, `${url}/small`)).body).toBe("small");
  expect((await getThrough(door, "http://other.test/")).status).toBe(403);
  const closed = await api.closeDoor({ executionId });
  expect(closed.use).toMatchObject({ requests: 3n, denied: 3n });
  await proxy.restart();
  expect((await api.listDoors({})).doors).toEqual([]);
});

test("settings that are no policy end it at once, and all problems are told", async () => {
  const starting = startServiceProcess("network-proxy", {
    "data-folder": "/nonexistent",
    modes: "http,magic",
    ports: "0,99999",
    domains: "*.com",
  });
  await expect(starting).rejects.toThrow(/modes[\s\S]*domains[\s\S]*ports/u);
});
