import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../kit/embedded.ts";
import { wordsOf } from "../kit/shell-words.ts";

const root = join(import.meta.dirname, "../..");
/** What the README tells a reader to type, without what starts a cluster or needs an id of the reader's own. */
const COMMANDS = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^npx skrei (.*)$/gmu)]
  .map(([, words = ""]) => words.replace(/\s+#.*$/u, ""))
  .filter((words) => !/^dev\b/u.test(words) && !/\bID\b|job plan/u.test(words));

describe("the README's commands", { timeout: 120_000 }, () => {
  let cluster: Embedded;
  beforeAll(async () => {
    cluster = await startEmbedded();
  }, 60_000);
  afterAll(async () => await cluster[Symbol.asyncDispose](), 60_000);

  test("are there", () => {
    expect(COMMANDS.length).toBeGreaterThan(6);
  });

  test.each(COMMANDS)("skrei %s", async (words) => {
    const { code, stderr } = await cluster.runCli(wordsOf(words), { cwd: root });
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  });
});
