import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import type { ContainerInspectInfo } from "dockerode";
import { engineCall, statusOf } from "./engine-call.ts";

const EVENTS_TIMEOUT_MS = 10_000;
/** A kill is noted after it was done. */
const KILL_NOTED_S = 0.1;

/**
 * True when an ended container was ended by the engine or somebody at it, who went down or restarted, and not by the task itself.
 * An engine that shuts down notes a kill, and answers for a while; one that was restarted has forgotten, but its holder is gone.
 */
export async function wasEndedFromOutside(docker: Docker, info: ContainerInspectInfo, holderId: string): Promise<boolean> {
  return (await hasKillEvent(docker, info)) || !(await isRunning(docker, holderId));
}

async function hasKillEvent(docker: Docker, { Id, State }: ContainerInspectInfo): Promise<boolean> {
  const filters = { container: [Id], event: ["kill"] };
  const [since, until] = [State.StartedAt, State.FinishedAt].map((time) => Date.parse(time) / 1000);
  const found = await engineCall("events", EVENTS_TIMEOUT_MS, async () => {
    const stream = await docker.getEvents({ since: Math.floor(since ?? 0), until: (until ?? 0) + KILL_NOTED_S, filters });
    return await text(stream);
  });
  return found.trim() !== "";
}

async function isRunning(docker: Docker, containerId: string): Promise<boolean> {
  try {
    const { State } = await engineCall("inspect holder", EVENTS_TIMEOUT_MS, () => docker.getContainer(containerId).inspect());
    return State.Running;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}
