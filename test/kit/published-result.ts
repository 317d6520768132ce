import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@skrei/platform/client.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { randomExecutionId } from "./random-execution-id.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

const LINK_KEY = "only-for-this-test";
const JOB_ID = "j-01published";

/** What stands between a reader and the gateway; `pass` hands a request on and gives the gateway's answer. */
export type Front = (request: IncomingMessage, response: ServerResponse, pass: () => Promise<IncomingMessage>) => Promise<void> | void;

/** One result in a real publisher, and as much of the scheduler's API as it takes to download it. */
export interface PublishedResult extends AsyncDisposable {
  readonly jobId: string;
  /** For `--server`. */
  readonly url: string;
  readonly publisher: ServiceProcess;
  readonly cid: string;
  /** A link straight to the publisher. */
  readonly link: () => string;
  /** Put in front of the gateway from now on. */
  setFront(front: Front): void;
  /** Life of the links from now on, which may have ended. Default a minute. */
  setLinkLives(livesMs: readonly number[]): void;
}

/** Publishes what is at `source`, which is moved into the store. */
export async function publishResult(source: string): Promise<PublishedResult> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "skrei-published-"));
  stack.defer(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const publisher = stack.use(await startServiceProcess("publisher", { "data-folder": join(folder, "store"), "link-secret": LINK_KEY }));
  const client = createClient(PublishService, createHttpTransport({ url: publisher.url }));
  const executionId = randomExecutionId();
  const { cid, sizeBytes } = await client.stageResult({ executionId, folder: source, bytesMax: 1n << 40n });
  for await (const _ of client.publishResult({ executionId, provenance: {} })) void _;
  let front: Front = passOn;
  let lives: readonly number[] = [];
  const frontServer = createServer((request, response) => {
    const pass = (): Promise<IncomingMessage> => ask(`${publisher.url}${request.url ?? ""}`);
    Promise.resolve(front(request, response, pass)).catch(() => response.destroy());
  });
  frontServer.listen(0, "127.0.0.1");
  await once(frontServer, "listening");
  stack.defer(async () => {
    frontServer.closeAllConnections();
    frontServer.close();
    await once(frontServer, "close");
  });
  const frontUrl = `http://127.0.0.1:${(frontServer.address() as AddressInfo).port}`;
  const linkTo = (url: string, lifeMs: number): string =>
    `${url}/ipfs/${cid}?token=${signLink({ key: LINK_KEY, purpose: "download", cid, expiresAtMs: Date.now() + lifeMs })}`;
  const server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    routes: (router) => {
      router.service(JobService, { getJob: () => ({ job: { jobId: JOB_ID } }) });
      router.service(ResultService, {
        listResults: () => ({ results: [{ jobId: JOB_ID, executionId, cid, sizeBytes, accepted: true }] }),
        createDownloadLink: () => {
          const [lifeMs = 60_000, ...rest] = lives;
          lives = rest;
          return { url: linkTo(frontUrl, lifeMs) };
        },
      });
    },
  });
  stack.defer(() => server.close());
  const owned = stack.move();
  return {
    jobId: JOB_ID,
    url: server.url,
    publisher,
    cid,
    link: () => linkTo(publisher.url, 600_000),
    setFront: (next) => (front = next),
    setLinkLives: (livesMs) => (lives = livesMs),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The gateway's answer as it is. */
export const passOn: Front = async (_request, response, pass) => {
  const answer = await pass();
  response.writeHead(answer.statusCode ?? 500, answer.headers);
  answer.pipe(response);
};

async function ask(url: string): Promise<IncomingMessage> {
  const request = httpRequest(url);
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return answer;
}
