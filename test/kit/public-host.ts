import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";

const DEVICE = "skrei-public";

/** A host with a public address that only this machine knows: a network namespace behind a pair of devices. Needs root. */
export interface PublicHost extends AsyncDisposable {
  /** Answers HTTP requests at port 80 with the word public. */
  readonly address: string;
  /** A private address of the same host, at port 80 as well. */
  readonly privateAddress: string;
}

export async function startPublicHost(): Promise<PublicHost> {
  const [address, gateway, privateAddress] = ["11.22.33.44", "11.22.33.43", "10.98.97.96"];
  const program = 'require("node:http").createServer((_, r) => r.end("public")).listen(80, "0.0.0.0", () => console.log("ready"))';
  const server = spawn("unshare", ["--net", "--kill-child=KILL", process.execPath, "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(server.stdout, "data");
    link(server, { address, gateway, privateAddress });
  } catch (error) {
    await end(server);
    throw error;
  }
  return { address, privateAddress, [Symbol.asyncDispose]: () => end(server) };
}

function link(server: ChildProcess, at: { readonly address: string; readonly gateway: string; readonly privateAddress: string }): void {
  const pid = String(server.pid);
  const ip = (...words: string[]): void => void execFileSync("ip", words);
  const inside = (...words: string[]): void => void execFileSync("nsenter", ["--target", pid, "--net", "ip", ...words]);
  ip("link", "add", DEVICE, "type", "veth", "peer", "name", "uplink", "netns", pid);
  ip("addr", "add", `${at.gateway}/32`, "dev", DEVICE);
  ip("link", "set", DEVICE, "up");
  ip("route", "add", `${at.address}/32`, "dev", DEVICE);
  ip("route", "add", `${at.privateAddress}/32`, "dev", DEVICE);
  inside("addr", "add", `${at.address}/32`, "dev", "uplink");
  inside("addr", "add", `${at.privateAddress}/32`, "dev", "uplink");
  inside("link", "set", "uplink", "up");
  inside("route", "add", `${at.gateway}/32`, "dev", "uplink");
}

/** The kernel takes the devices and routes away with the namespace. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
}
