import { NETWORK_MODE_TO_PROTO } from "@skrei/wire/network.ts";
import type { NetworkMode } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import { parseNetworkMode } from "../parse/parse-network.ts";
import { raise } from "../parse/raise.ts";
import { isKnownNetwork, refuseFeature, refuseNetwork } from "../parse/refused-features.ts";
import type { FieldCursor } from "./field-cursor.ts";
import type { NetworkInit } from "./job-draft.ts";

interface NetworkFields {
  type?: { readonly field: FieldCursor; readonly mode: NetworkMode | undefined };
  /** Of `Domains`, or of the short form `http`. */
  domains?: { readonly field: FieldCursor; readonly hosts: readonly string[] };
  http?: FieldCursor;
  egressMax?: { readonly field: FieldCursor; readonly sizeBytes: number };
}

/** `{Type, Domains}` of Bacalhau; our short forms `none`, `full` and `{http: [a, b]}`; and EgressBytesMax. */
export function readNetwork(network: FieldCursor): NetworkInit {
  if (network.isNull) return { mode: NETWORK_MODE_TO_PROTO.none };
  const read = network.isMapping ? readFields(network) : { type: { field: network, mode: readMode(network.is("task.network.mode")) } };
  const mode = read.http === undefined ? (read.type === undefined ? "none" : read.type.mode) : "http";
  if (mode !== undefined) checkTogether(network, read, mode);
  return {
    mode: NETWORK_MODE_TO_PROTO[mode ?? "none"],
    domains: [...(read.domains?.hosts ?? [])],
    egressBytesMax: BigInt(read.egressMax?.sizeBytes ?? 0),
  };
}

function readFields(network: FieldCursor): NetworkFields {
  const read: NetworkFields = {};
  const readHosts = (field: FieldCursor): void => {
    if (read.domains !== undefined) field.problem("FIELD_INVALID", "give Type with Domains, or http with its list, not both.");
    else read.domains = { field, hosts: hostsOf(field.is("task.network.domains")) };
  };
  network.fields({
    Type: (field) => (read.type = { field, mode: readMode(field.is("task.network.mode")) }),
    Domains: readHosts,
    http: (field) => {
      readHosts(field);
      read.http = field;
    },
    EgressBytesMax: (field) => {
      const sizeBytes = field.isNull ? undefined : field.is("task.network.egressBytesMax").parsed(parseBytes);
      if (sizeBytes !== undefined) read.egressMax = { field, sizeBytes };
    },
    Ports: (field) => {
      if (field.list().length > 0)
        field.attempt(() => raise(refuseFeature("Ports of the network are", "Leave Ports out: nothing can connect to a job.")));
    },
  });
  return read;
}

function readMode(field: FieldCursor): NetworkMode | undefined {
  const word = field.isNull ? "none" : field.text()?.trim();
  if (word === undefined) return undefined;
  if (word.toLowerCase() === "default") field.note(`${word} is taken as None: a job has no network here unless it asks for one`);
  const mode = word === "" ? "none" : parseNetworkMode(word);
  if (mode !== undefined) return mode;
  if (isKnownNetwork(word)) return field.attempt(() => raise(refuseNetwork(word)));
  const words = ["None", "HTTP", "Full"];
  return field.problem("FIELD_INVALID", `unknown network type "${word}"${suggestion(word, words) || `; expected ${words.join(", ")}`}.`);
}

function hostsOf(field: FieldCursor): readonly string[] {
  return field.list().flatMap((item, index) => item.is(`task.network.domains[${index}]`).text()?.trim() ?? []);
}

function checkTogether(network: FieldCursor, { type, domains, http, egressMax }: NetworkFields, mode: NetworkMode): void {
  if (http !== undefined && type !== undefined)
    type.field.problem("FIELD_INVALID", "give Type with Domains, or http with its list, not both.");
  const isListed = domains !== undefined && domains.field.list().length > 0;
  if (mode === "http" && !isListed)
    (http ?? type?.field ?? network).problem("FIELD_REQUIRED", "the network http needs a list: {http: [api.example.com, .example.org]}.");
  if (mode !== "http" && isListed) domains.field.problem("FIELD_INVALID", "Domains go with Type HTTP.");
  if (mode !== "http" && egressMax !== undefined) egressMax.field.problem("FIELD_INVALID", "EgressBytesMax goes with Type HTTP.");
}
