import { expect, test } from "vitest";
import { findPathConflict, type NeighbourRun } from "./path-conflict.ts";
import type { RunSpec } from "./run.ts";

const reads = (hostPath: string) => ({ hostPath, target: "/in", isReadOnly: true, isHostData: true }) as const;
const writes = (hostPath: string) => ({ ...reads(hostPath), isReadOnly: false });
const runWith = (...mounts: RunSpec["mounts"]): RunSpec => ({ mounts }) as Partial<RunSpec> as RunSpec;
const mounted = (...mounts: RunSpec["mounts"]): NeighbourRun => ({ run: runWith(...mounts), isMounted: true });
const mounting = (...mounts: RunSpec["mounts"]): NeighbourRun => ({ run: runWith(...mounts), isMounted: false });

test.each([
  ["is read", [reads("/s/a/b")]],
  ["is written", [writes("/s/a")]],
])("a path below a folder that a task writes to is not mounted, whether it %s", (_, run) => {
  expect(findPathConflict(run, [mounted(reads("/x")), mounted(writes("/s"))])).toMatchObject({ folder: "/s" });
  expect(findPathConflict(run, [mounting(writes("/s"))])).toMatchObject({ folder: "/s" });
  expect(findPathConflict(run, [mounted(writes("/"))])).toMatchObject({ folder: "/" });
});

test("a task does not begin to write to a folder while a path below it is being mounted", () => {
  expect(findPathConflict([writes("/s")], [mounting(reads("/s/a"))])).toEqual({ path: "/s/a", folder: "/s" });
  expect(findPathConflict([writes("/s")], [mounted(reads("/s/a"))])).toBeUndefined();
});

test.each([
  ["the same folder", writes("/s")],
  ["a folder of a like name", writes("/s/a")],
  ["a folder that is only read", reads("/")],
  ["what is no data of the node", { hostPath: "/", target: "/out", isReadOnly: false }],
])("%s is no conflict", (_, mount) => {
  const run = [reads("/s"), writes("/s/ab"), { hostPath: "/cache/1", target: "/c", isReadOnly: true }];
  const others = mount.hostPath === "/s" ? [reads("/s")] : run;
  expect(findPathConflict(others, [mounted(mount)])).toBeUndefined();
});
