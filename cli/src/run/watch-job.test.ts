import { expect, test } from "vitest";
import { createCluster } from "../client/cluster.ts";
import { createTestTerminal } from "../test-terminal.ts";
import { watchJob } from "./watch-job.ts";

test("says at once that the connection is lost, and at the end which job it was and how to come back", async () => {
  const settings = { server: "http://127.0.0.1:1", token: undefined, origin: "--server", isVerbose: false };
  const terminal = createTestTerminal();
  const { signal } = new AbortController();
  const session = { terminal, settings, cluster: createCluster(settings, () => undefined), signal };
  const watching = watchJob(session, "j-01", { signal, reconnectsMax: 2 }).next();
  await expect(watching).rejects.toMatchObject({
    reason: "UNREACHABLE",
    message: expect.stringMatching(/No cluster answers at http:\/\/127\.0\.0\.1:1 .*j-01/u) as string,
    metadata: { hint: expect.stringContaining("skrei job logs j-01 --follow") as string },
  });
  expect(terminal.written.stderr).toBe("connection lost, trying again …\n");
});
