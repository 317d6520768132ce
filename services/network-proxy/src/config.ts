import { z } from "zod";

/** A list in a file, or text with commas from a flag or the environment. */
const modes = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z.array(z.enum(["none"])).min(1),
);
const list = z.preprocess(
  (value) =>
    typeof value === "string"
      ? value
          .split(",")
          .map((item) => item.trim())
          .filter((item) => item !== "")
      : value,
  z.array(z.string()),
);

/** Settings of a node's network-proxy. */
export const NetworkProxyConfig = z.strictObject({
  listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
  listenPort: z.coerce.number().int().min(0).max(65_535).default(1238).describe("port of the API; 0 picks a free one"),
  allowedHosts: list.default([]).describe("names by which clients may call this service, beside localhost and the bound address"),
  modes: modes.default(["none"]).describe("network modes that tasks may ask for on this node"),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("least severe log lines that are written"),
});
export type NetworkProxyConfig = z.infer<typeof NetworkProxyConfig>;
