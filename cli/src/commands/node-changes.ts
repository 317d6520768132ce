import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import type { CommandDefinition } from "../command.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { nodeState } from "./node-list.ts";

type Change = (session: Session, nodeId: string) => Promise<{ readonly node?: Node | undefined }>;

export const nodeApprove = change("approve", "Let a node take work.", ({ cluster }, nodeId) => cluster.nodes.approveNode({ nodeId }));
export const nodeReject = change("reject", "Shut a node out; its work goes elsewhere.", ({ cluster }, nodeId) =>
  cluster.nodes.rejectNode({ nodeId }),
);
export const nodeDrain = change("drain", "Give a node no new work; what runs goes on.", ({ cluster }, nodeId) =>
  cluster.nodes.drainNode({ nodeId, drain: true }),
);
export const nodeUndrain = change("undrain", "Give a drained node work again.", ({ cluster }, nodeId) =>
  cluster.nodes.drainNode({ nodeId, drain: false }),
);

/** Repeating one changes nothing and succeeds. */
function change(verb: string, summary: string, call: Change): CommandDefinition {
  return defineCommand({
    path: `node ${verb}`,
    summary,
    args: [{ name: "node", summary: "id, unique prefix or name", isRequired: true, completes: "node" }],
    flags: {},
    examples: [`skrei node ${verb} n-01ab`],
    exitCodes: { 3: "no such node, or several" },
    run: async ({ args, session }) => {
      const node = present((await call(session, args[0] ?? "")).node);
      await say(session.terminal, `${node.name} (${node.nodeId}) is ${nodeState(node)}`);
    },
  });
}
