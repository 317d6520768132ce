import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Makes the secrets of a cluster, the settings of its two servers and the policy of its network-proxy, once:
 * `node make-secrets.ts FOLDER`. What is there stays as it is, so that a second start changes nothing and two installations share
 * nothing.
 */
const SECRET_BYTES = 32;
/** The user `node` of the image, as which the network-proxy runs. */
const PROXY_USER = 1000;

function main(root: string | undefined): number {
  if (root === undefined) {
    process.stderr.write("usage: node make-secrets.ts FOLDER\n");
    return 2;
  }
  const secret = (): string => randomBytes(SECRET_BYTES).toString("base64url");
  const [natsToken, storePassword] = [secret(), secret()];
  // The settings are written last and name the two secrets; a crash before leaves them to be made again together.
  if (!existsSync(join(root, "skrei/complete"))) {
    const files = {
      "skrei/join-token": secret(),
      "skrei/link-secret": secret(),
      "skrei/publish-token": secret(),
      "skrei/nats-token": natsToken,
      "skrei/store-password": storePassword,
      "nats/nats.conf": natsSettings(natsToken),
      "valkey/password": storePassword,
      "valkey/valkey.conf": valkeySettings(storePassword),
      "skrei/complete": "",
    };
    for (const [file, text] of Object.entries(files)) writeWhole(join(root, file), text);
  }
  makeProxyFolder(join(root, "data/network-proxy"));
  return 0;
}

/** The proxy writes below `data` and only reads the policy: whoever breaks into it cannot widen it. */
function makeProxyFolder(folder: string): void {
  mkdirSync(join(folder, "data"), { recursive: true, mode: 0o755 });
  chownSync(join(folder, "data"), PROXY_USER, PROXY_USER);
  if (!existsSync(join(folder, "policy.yaml"))) writeWhole(join(folder, "policy.yaml"), POLICY);
}

const POLICY = `# What jobs may reach from this host; docs/network.md tells of every key. A change counts within a second. A mistake leaves the
# last good policy in force and shows in "skrei node describe".
modes: [none]

# To let jobs reach some hosts by HTTP and HTTPS, if they list them too:
# modes: [none, http]
# domains: [api.example.com, .example.org]
`;

/** Readable by all: each volume is mounted only where it is read, by servers with users of their own. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, text, { mode: 0o644, flush: true });
  renameSync(`${path}.new`, path);
}

function natsSettings(token: string): string {
  return `port: 4222\nhttp: "127.0.0.1:8222"\nping_interval: "10s"\nping_max: 2\nauthorization { token: "${token}", timeout: 10 }\n`;
}

/** What the scheduler's start-up check asks for: nothing acknowledged may be lost. */
function valkeySettings(password: string): string {
  return [
    "bind 0.0.0.0",
    "port 6379",
    "protected-mode no",
    "dir /data",
    "save ''",
    "appendonly yes",
    "appendfsync always",
    "no-appendfsync-on-rewrite no",
    "maxmemory-policy noeviction",
    `requirepass ${password}`,
    "",
  ].join("\n");
}

process.exitCode = main(process.argv[2]);
