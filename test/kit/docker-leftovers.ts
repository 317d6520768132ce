import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DOCKER_HOST } from "./docker-host.ts";

const run = promisify(execFile);

/** A container of a node. Holders wait for work and belong to the agent; tasks belong to an execution. */
export interface NodeContainer {
  readonly id: string;
  readonly role: "task" | "holder";
  readonly executionId: string;
  readonly state: string;
}

/** What the engine has of a node, running or not. */
export async function containersOf(nodeId: string): Promise<readonly NodeContainer[]> {
  const format = '{{.ID}} {{.Label "skrei.role"}} {{.State}} {{.Label "skrei.execution"}}';
  const text = await docker("ps", "--all", "--no-trunc", "--filter", `label=skrei.node=${nodeId}`, "--format", format);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", role = "", state = "", executionId = ""] = line.split(" ");
      return { id, role: role === "holder" ? "holder" : "task", state, executionId };
    });
}

/** Takes away everything of a node, whatever it is doing. */
export async function removeContainersOf(nodeId: string): Promise<void> {
  const ids = (await containersOf(nodeId)).map(({ id }) => id);
  // One that is being removed already is as good as gone.
  if (ids.length > 0) await docker("rm", "--force", "--volumes", ...ids).catch(() => undefined);
  // Few nodes have one.
  await docker("network", "rm", `skrei-full-${nodeId}`).catch(() => undefined);
}

async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run("docker", args, { env: { PATH: process.env["PATH"], DOCKER_HOST }, timeout: 60_000, killSignal: "SIGKILL" });
  return stdout;
}
