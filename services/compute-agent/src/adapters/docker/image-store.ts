import type Docker from "dockerode";
import { DomainError } from "@skrei/domain";
import { imageReference } from "./container-options.ts";
import { engineCall, engineFailed, refusalText, statusOf } from "./engine-call.ts";

const INSPECT_TIMEOUT_MS = 10_000;
/** What registries say when an image does not exist or may not be seen. */
const MISSING = /not found|manifest unknown|pull access denied|repository does not exist|name unknown|invalid reference format/iu;

export interface ImageFacts {
  /** Paths for which the engine would make a volume: writable, outside every limit. */
  readonly volumes: readonly string[];
}

/** The engine's images. Concurrent pulls of one reference share one download. */
export class ImageStore {
  readonly #docker: Docker;
  readonly #pullTimeoutMs: number;
  readonly #pulls = new Map<string, Promise<void>>();

  constructor(docker: Docker, options: { pullTimeoutMs: number }) {
    this.#docker = docker;
    this.#pullTimeoutMs = options.pullTimeoutMs;
  }

  /** What the image says of itself, or undefined when it is not here. @throws DomainError unavailable/ENGINE_FAILED. */
  async find(image: string): Promise<ImageFacts | undefined> {
    try {
      const { Config } = await engineCall("inspect image", INSPECT_TIMEOUT_MS, () =>
        this.#docker.getImage(imageReference(image)).inspect(),
      );
      return { volumes: Object.keys(Config.Volumes ?? {}) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Pulls the image unless it is here. @throws DomainError notFound/IMAGE_NOT_FOUND, unavailable/IMAGE_PULL_FAILED. */
  async ensure(image: string): Promise<ImageFacts> {
    const present = await this.find(image);
    if (present !== undefined) return present;
    const reference = imageReference(image);
    const running = this.#pulls.get(reference) ?? this.#pull(reference).finally(() => this.#pulls.delete(reference));
    this.#pulls.set(reference, running);
    await running;
    const pulled = await this.find(image);
    if (pulled === undefined) throw engineFailed(`image ${reference} was pulled and is not there`);
    return pulled;
  }

  async #pull(reference: string): Promise<void> {
    const timeout = AbortSignal.timeout(this.#pullTimeoutMs);
    try {
      const stream = await this.#docker.pull(reference, { abortSignal: timeout });
      await new Promise<void>((resolve, reject) => {
        this.#docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      throw pullError(reference, timeout.aborted ? this.#pullTimeoutMs : undefined, error);
    }
  }
}

function pullError(reference: string, timedOutAfterMs: number | undefined, cause: unknown): DomainError {
  const why = timedOutAfterMs === undefined ? refusalText(cause) : `no end after ${String(timedOutAfterMs / 1000)} s`;
  if (timedOutAfterMs === undefined && MISSING.test(why)) {
    return new DomainError("notFound", "IMAGE_NOT_FOUND", `image ${reference} cannot be pulled: ${why}`, {
      cause,
      hint: "check the name and the tag; a private image needs a login on the node",
    });
  }
  return new DomainError("unavailable", "IMAGE_PULL_FAILED", `image ${reference} could not be pulled: ${why}`, {
    cause,
    hint: "check the node's way to the registry, or load the image on the node",
  });
}
