import { buffer } from "node:stream/consumers";
import type Docker from "dockerode";
import { engineFailed, statusOf } from "./engine-call.ts";

const STATUS_CODES = { 200: true, 404: "no such container", 500: "server error" };

/**
 * Resolves when a container is not running any more. Reads the answer itself: the engine sends its head at once and the rest at the
 * end, and docker-modem's own `wait` never settles when an engine that stops cuts the answer between the two.
 * @throws DomainError unavailable/ENGINE_FAILED when the engine goes away; the engine's own refusals and the signal's reason pass through.
 */
export async function awaitExit(docker: Docker, containerId: string, signal: AbortSignal): Promise<void> {
  const request = {
    path: `/containers/${containerId}/wait?`,
    method: "POST",
    isStream: true,
    statusCodes: STATUS_CODES,
    abortSignal: signal,
  };
  try {
    const answer = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
      docker.modem.dial(request, (error: Error | null, stream: unknown) =>
        error ? reject(error) : resolve(stream as NodeJS.ReadableStream),
      );
    });
    await buffer(answer);
  } catch (error) {
    if (signal.aborted || statusOf(error) !== undefined) throw error;
    throw engineFailed("the Docker engine went away while the task ran", error);
  }
}
