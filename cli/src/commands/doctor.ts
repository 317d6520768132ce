import { access, constants } from "node:fs/promises";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { toCallError } from "../client/call-error.ts";
import { defineCommand } from "../command.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { cleanLine } from "../output/clean-text.ts";
import { answer } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { nodeState } from "./node-list.ts";

const NODE_MINIMUM = [24, 12] as const;

interface Finding {
  readonly isGood: boolean;
  readonly what: string;
  readonly fix?: string;
}

export const doctor = defineCommand({
  path: "doctor",
  summary: "Check this machine and the cluster, and say what to do about what is wrong.",
  args: [],
  flags: {},
  examples: ["skrei doctor"],
  exitCodes: { 5: "no cluster answers" },
  run: async ({ session }) => {
    const cluster = await checkCluster(session);
    const findings = [checkNodeJs(), await checkDocker(session), ...cluster];
    for (const { isGood, what, fix } of findings) {
      const mark = isGood ? session.terminal.stdout.style("green", "✓") : session.terminal.stdout.style("yellow", "–");
      await answer(session.terminal, `${mark} ${cleanLine(what)}`, ...(fix === undefined ? [] : [`    fix: ${cleanLine(fix)}`]));
    }
    if (cluster.some(({ isGood, what }) => !isGood && what.startsWith("cluster"))) throw new ExitError(EXIT.unreachable);
  },
});

function checkNodeJs(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isGood = major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1]);
  return {
    isGood,
    what: `Node.js ${process.versions.node}`,
    ...(isGood ? {} : { fix: `Install Node.js ${NODE_MINIMUM.join(".")} or newer.` }),
  };
}

async function checkDocker({ terminal }: Session): Promise<Finding> {
  const host = terminal.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  if (!host.startsWith("unix://")) return { isGood: true, what: `Docker at ${host} (not tried)` };
  const path = host.slice("unix://".length);
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return { isGood: true, what: `Docker socket ${path}` };
  } catch (error) {
    const isForbidden = (error as NodeJS.ErrnoException).code === "EACCES";
    return isForbidden
      ? { isGood: false, what: `Docker socket ${path}: no permission`, fix: "Add yourself to the group that owns it, then log in again." }
      : {
          isGood: false,
          what: `no Docker socket at ${path}; WASM jobs work without it`,
          fix: "Start Docker, or set DOCKER_HOST, if container jobs shall run on this machine.",
        };
  }
}

async function checkCluster(session: Session): Promise<readonly Finding[]> {
  try {
    const { nodes } = await session.cluster.nodes.listNodes({ pageSize: 1_000 });
    return [{ isGood: true, what: `cluster at ${session.settings.server} (from ${session.settings.origin})` }, ...checkNodes(nodes)];
  } catch (error) {
    const known = toCallError(error, session.settings);
    if (known === undefined) throw error;
    return [{ isGood: false, what: `cluster: ${known.message}`, fix: known.metadata["hint"] ?? "skrei dev" }];
  }
}

function checkNodes(nodes: readonly Node[]): readonly Finding[] {
  if (nodes.length === 0) return [{ isGood: false, what: "no nodes have joined", fix: "Start one, or use `skrei dev`." }];
  return nodes.flatMap((node) => {
    const problem = node.network?.problem ?? "";
    return [
      checkNode(node),
      ...(problem === ""
        ? []
        : [
            {
              isGood: false,
              what: `network policy of ${node.name}: ${problem}`,
              fix: "Mend the file; the policy before it counts meanwhile.",
            },
          ]),
    ];
  });
}

function checkNode(node: Node): Finding {
  const engines = node.engines.map(({ name, available, message }) => (available ? name : `no ${name} (${message})`)).join(", ");
  const state = nodeState(node);
  return {
    isGood: state === "ready",
    what: `node ${node.name}: ${state}; ${engines}`,
    ...(state === "pending" ? { fix: `skrei node approve ${node.nodeId}` } : {}),
  };
}
