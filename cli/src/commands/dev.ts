import { defineCommand } from "../command.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import { runDevCluster } from "../dev/run-dev-cluster.ts";
import { integerBetween } from "../parse/parse-integer.ts";

export const dev = defineCommand({
  path: "dev",
  summary: "Run a cluster on this machine, in one process, until Ctrl-C.",
  args: [],
  flags: {
    nodes: valueFlag("N", "number of nodes; default 3", integerBetween(1, 50), { isCommon: true }),
    port: valueFlag("PORT", "port of the API; default 1234, else from 1240 on", integerBetween(1, 65_535), { isCommon: true }),
    data: valueFlag("DIR", "keep jobs and results there; else all is gone at the end", text, { isCommon: true }),
    "network-policy": valueFlag("FILE", "what jobs may reach, in YAML; default: nothing", text, { isCommon: true }),
    "docker-host": valueFlag("URL", "where Docker listens (DOCKER_HOST); default unix:///var/run/docker.sock", text, { isCommon: true }),
    json: booleanFlag("print one machine-readable line when ready", { isCommon: true }),
    "log-level": valueFlag("LEVEL", "debug, info, warn or error; default error", text),
  },
  examples: ["skrei dev", "skrei dev --nodes 5 --data ./.skrei", "skrei dev --network-policy policy.yaml"],
  exitCodes: { 78: "the network policy has a mistake", 8: "the port or the data folder is in use" },
  run: ({ flags, session }) =>
    runDevCluster(session, {
      nodes: flags.nodes,
      port: flags.port,
      dataFolder: flags.data,
      printsJson: flags.json,
      logLevel: flags["log-level"],
      networkPolicyFile: flags["network-policy"],
      dockerHost: flags["docker-host"] ?? session.terminal.env["DOCKER_HOST"],
    }),
});
