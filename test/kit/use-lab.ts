import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { type Lab, startLab } from "./lab.ts";
import { type LabProxy, startLabProxy } from "./lab-proxy.ts";
import type { PolicyKeys } from "./policy-file.ts";

export interface LabUnderTest {
  readonly lab: Lab;
  readonly proxy: LabProxy;
}

/** One lab with one proxy for all tests of a file; nothing that one test did is seen by the next. */
export function useLab(policy: PolicyKeys): () => LabUnderTest {
  let current: (LabUnderTest & AsyncDisposable) | undefined;
  const get = (): LabUnderTest => {
    if (current === undefined) throw new Error("the lab is there only while tests run");
    return current;
  };
  beforeAll(async () => {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await startLab());
    const proxy = stack.use(await startLabProxy(lab, policy));
    const kept = stack.move();
    current = { lab, proxy, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }, 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => void process.stderr.write(`${get().proxy.process.log().slice(-LOG_SHOWN_MAX)}\n`));
  });
  afterEach(async () => void (await get().lab.takeSightings()));
  afterAll(async () => {
    await current?.[Symbol.asyncDispose]();
    current = undefined;
  }, 30_000);
  return get;
}

const LOG_SHOWN_MAX = 4_000;
