import { access, constants } from "node:fs/promises";
import type { Node } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { toCallError } from "../client/call-error.ts";
import { defineCommand } from "../command.ts";
import { DEFAULT_DOCKER_HOST } from "../dev/run-dev-cluster.ts";
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
  exitCodes: { 1: "something is wrong with the cluster", 5: "no cluster answers" },
  run: async ({ session }) => {
    const cluster = await checkCluster(session);
    const docker = await checkDocker(session);
    const ofCluster = [...cluster.findings, ...checkUnusedDocker(docker, cluster.nodes)];
    const findings = [checkNodeJs(), docker, ...ofCluster];
    for (const { isGood, what, fix } of findings) {
      const mark = isGood ? session.terminal.stdout.style("green", "✓") : session.terminal.stdout.style("yellow", "–");
      await answer(session.terminal, `${mark} ${cleanLine(what)}`, ...(fix === undefined ? [] : [`    fix: ${cleanLine(fix)}`]));
    }
    if (cluster.nodes === undefined) throw new ExitError(EXIT.unreachable);
    if (ofCluster.some(({ isGood }) => !isGood)) throw new ExitError(EXIT.jobFailed);
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
  const host = terminal.env["DOCKER_HOST"] || DEFAULT_DOCKER_HOST;
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
          fix: "Start Docker, or name its socket if container jobs shall run here: skrei dev --docker-host URL, or DOCKER_HOST.",
        };
  }
}

interface ClusterCheck {
  readonly findings: readonly Finding[];
  /** Undefined when no cluster answers. */
  readonly nodes: readonly Node[] | undefined;
}

async function checkCluster(session: Session): Promise<ClusterCheck> {
  try {
    const { nodes } = await session.cluster.nodes.listNodes({ pageSize: 1_000 });
    const found = { isGood: true, what: `cluster at ${session.settings.server} (from ${session.settings.origin})` };
    return { nodes, findings: [found, ...checkNodes(nodes), ...checkPolicies(nodes)] };
  } catch (error) {
    const known = toCallError(error, session.settings);
    if (known === undefined) throw error;
    return {
      nodes: undefined,
      findings: [{ isGood: false, what: `cluster: ${known.message}`, fix: known.metadata["hint"] ?? "skrei dev" }],
    };
  }
}

function checkNodes(nodes: readonly Node[]): readonly Finding[] {
  return nodes.length === 0
    ? [{ isGood: false, what: "no nodes have joined", fix: "Start one, or use `skrei dev`." }]
    : nodes.map(checkNode);
}

/** Nodes that read one file have one problem. */
export function checkPolicies(nodes: readonly Pick<Node, "name" | "network">[]): readonly Finding[] {
  const names = new Map<string, string[]>();
  for (const { name, network } of nodes) {
    const problem = network?.problem ?? "";
    if (problem !== "") names.set(problem, [...(names.get(problem) ?? []), name]);
  }
  return [...names].map(([problem, which]) => ({
    isGood: false,
    what: `network policy of ${which.join(", ")}: ${problem}`,
    fix: "Mend the file; the policy before it counts meanwhile.",
  }));
}

/** Docker is here, and no node of a cluster on this machine has found it. */
export function checkUnusedDocker(docker: Pick<Finding, "isGood">, nodes: readonly Pick<Node, "engines">[] = []): readonly Finding[] {
  const engines = nodes.flatMap((node) => node.engines.filter(({ name }) => name === "docker"));
  const [missing] = engines;
  if (!docker.isGood || missing === undefined || engines.some(({ available }) => available)) return [];
  return [
    {
      isGood: false,
      what: `no node has Docker, though its socket is here: ${missing.message}`,
      fix: "Check that it runs (docker version), and start the cluster with the same socket: skrei dev --docker-host URL.",
    },
  ];
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
