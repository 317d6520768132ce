import { create } from "@bufbuild/protobuf";
import { NodeSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { expect, test } from "vitest";
import { checkPolicies, checkUnusedDocker } from "./doctor.ts";

const node = (name: string, problem: string, hasDocker = false): Node =>
  create(NodeSchema, { name, network: { problem }, engines: [{ name: "docker", available: hasDocker, message: "nothing answers" }] });

test("tells a problem of a policy that several nodes read once", () => {
  expect(checkPolicies([node("dev-1", "bad ports"), node("dev-2", "bad ports"), node("lab", "")])).toEqual([
    { isGood: false, what: "network policy of dev-1, dev-2: bad ports", fix: expect.stringContaining("Mend the file") as string },
  ]);
});

test("is not content with a Docker socket that no node has found", () => {
  const [found] = checkUnusedDocker({ isGood: true }, [node("dev-1", "")]);
  expect(found).toMatchObject({ isGood: false, what: "no node has Docker, though its socket is here: nothing answers" });
  expect(checkUnusedDocker({ isGood: true }, [node("dev-1", ""), node("dev-2", "", true)])).toEqual([]);
  expect(checkUnusedDocker({ isGood: false }, [node("dev-1", "")])).toEqual([]);
  expect(checkUnusedDocker({ isGood: true })).toEqual([]);
});
