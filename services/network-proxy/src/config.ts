import { listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";

/** Settings of a node's network-proxy. */
export const NetworkProxyConfig = z.strictObject({
  listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
  listenPort: portField().default(1238).describe("port of the API; 0 picks a free one"),
  allowedHosts: listField(z.string())
    .default([])
    .describe("names by which clients may call this service, beside localhost and the bound address"),
  modes: listField(z.enum(["none"]))
    .refine((modes) => modes.length > 0, { error: "must name at least one mode" })
    .default(["none"])
    .describe("network modes that tasks may ask for on this node"),
  logLevel: logLevelField,
});
export type NetworkProxyConfig = z.infer<typeof NetworkProxyConfig>;
