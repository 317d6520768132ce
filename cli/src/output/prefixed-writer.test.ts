import { expect, test } from "vitest";
import { createTestTerminal } from "../test-terminal.ts";
import { createPrefixedWriter } from "./prefixed-writer.ts";

test("writes whole lines behind their prefixes, however two writers take turns", async () => {
  const terminal = createTestTerminal();
  const writers = [0, 1].map((part) =>
    createPrefixedWriter(terminal.stdout, { prefix: `part ${part} | `, beforeWrite: () => Promise.resolve() }),
  );
  const write = async (part: number, text: string): Promise<void> => await writers[part]?.write(Buffer.from(text));
  await write(0, "on");
  await write(1, "two\nthr");
  await write(0, "e\n\u001B[2J");
  await write(1, "ee");
  for (const writer of writers) await writer.end();
  expect(terminal.written.stdout).toBe("part 1 | two\npart 0 | one\npart 1 | three\n");
});
