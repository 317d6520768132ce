import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DOCKER_HOST } from "./docker-host.ts";
import { PUBLIC_DNS_ADDRESS } from "./lab/dns-server.ts";
import type { Lab } from "./lab.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("../setup/docker-engine.sh", import.meta.url));

export interface LabEngine extends AsyncDisposable {
  readonly dockerHost: string;
  docker(...args: readonly string[]): Promise<string>;
}

/**
 * A Docker engine of the lab's own: its bridges, gateways and everything beyond them are in the lab, so that containers with a
 * network can be tried. There is one at a time; what an earlier run left behind goes first.
 */
export async function startLabEngine(lab: Lab, images: readonly string[]): Promise<LabEngine> {
  await using stack = new AsyncDisposableStack();
  await engine(lab, "stop", "--purge");
  stack.defer(() => engine(lab, "stop", "--purge"));
  await engine(lab, "start");
  const docker = async (...args: readonly string[]): Promise<string> =>
    (await run("docker", args, { env: envOf(ENGINE_HOST), timeout: 60_000 })).stdout;
  if (images.length > 0) await copyImages(images);
  const kept = stack.move();
  return { dockerHost: ENGINE_HOST, docker, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function engine({ place }: Lab, ...command: readonly string[]): Promise<void> {
  const [file = "", ...args] = [...place.command, "bash", SCRIPT, ...command];
  const env = {
    ...envOf(""),
    SKREI_ENGINE_DIR: FOLDER,
    SKREI_ENGINE_RUN: RUN_FOLDER,
    SKREI_ENGINE_REUSE: "0",
    SKREI_ENGINE_ARGS: `--dns ${PUBLIC_DNS_ADDRESS}`,
  };
  await run(file, args, { env, timeout: 60_000 });
}

async function copyImages(images: readonly string[]): Promise<void> {
  const save = spawn("docker", ["save", ...images], { env: envOf(DOCKER_HOST), stdio: ["ignore", "pipe", "inherit"] });
  const load = spawn("docker", ["load", "--quiet"], { env: envOf(ENGINE_HOST), stdio: ["pipe", "ignore", "inherit"] });
  save.stdout.pipe(load.stdin);
  const [[saved], [loaded]] = await Promise.all([once(save, "exit"), once(load, "exit")]);
  if (saved !== 0 || loaded !== 0) throw new Error(`images were not copied: save ended with ${saved}, load with ${loaded}`);
}

function envOf(dockerHost: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], ...(dockerHost !== "" && { DOCKER_HOST: dockerHost }) };
}

const FOLDER = "/var/lib/skrei-lab-engine";
/** Short: socket paths are. */
const RUN_FOLDER = "/run/skrei-lab";
const ENGINE_HOST = `unix://${RUN_FOLDER}/docker.sock`;
