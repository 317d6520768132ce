import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { createTransferProgress } from "../transfer/transfer-progress.ts";
import { createLiveLine } from "./live-line.ts";

test("repaints one line of a terminal, ten times a second at most", async () => {
  const { stderr, written } = createTestTerminal({ isTty: true });
  let nowMs = 0;
  const live = createLiveLine(stderr, () => nowMs);
  for (nowMs of [0, 50, 100]) live.show(() => `at ${nowMs}`);
  await live.clear();
  expect(written.stderr).toBe("\r\u001B[2Kat 0\r\u001B[2Kat 100\r\u001B[2K");
});

test("writes a line every ten seconds where there is no terminal, none of what is over before", async () => {
  const { stderr, written } = createTestTerminal();
  let nowMs = 0;
  const live = createLiveLine(stderr, () => nowMs);
  for (nowMs of [0, 9_999, 10_000, 19_000, 20_000]) live.show(() => `at ${nowMs}`);
  await live.clear();
  expect(written.stderr).toBe("at 10000\nat 20000\n");
});

test("a transfer without a terminal says every ten seconds how far it is", async () => {
  const { stderr, written } = createTestTerminal();
  let nowMs = 0;
  const progress = createTransferProgress(stderr, 4_000_000, () => nowMs);
  for (nowMs of [5_000, 10_000, 15_000]) progress.add(1_000_000);
  await progress.clear();
  expect(written.stderr).toBe("  2MB of 4MB · 200kB/s · 10 s left\n");
});
