import { NETWORK_MODE_TO_PROTO } from "@skrei/wire/network.ts";
import type { NetworkMode } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import { parseNetworkMode } from "../parse/parse-network.ts";
import { raise } from "../parse/raise.ts";
import { isKnownNetwork, refuseFeature, refuseNetwork } from "../parse/refused-features.ts";
import type { FieldCursor } from "./field-cursor.ts";
import type { NetworkInit } from "./job-draft.ts";

/** What was read so far, and where the parts stand that must fit together. */
interface NetworkFields {
  /** Undefined when the file names none that there is. */
  mode: NetworkMode | undefined;
  modeField: FieldCursor;
  hosts: readonly string[];
  hostsField?: FieldCursor;
  egressBytesMax: number;
  egressField?: FieldCursor;
}

/** `{Type, Domains}` of Bacalhau; our short forms `none`, `full` and `{http: [a, b]}`; and EgressBytesMax. */
export function readNetwork(network: FieldCursor): NetworkInit {
  const read: NetworkFields = { mode: "none", modeField: network, hosts: [], egressBytesMax: 0 };
  if (network.isMapping) readFields(network, read);
  else read.mode = readMode(network.is("task.network.mode"));
  if (read.mode === "http") checkHttp(read);
  else if (read.mode !== undefined) checkOther(read);
  const { mode = "none", hosts, egressBytesMax } = read;
  return { mode: NETWORK_MODE_TO_PROTO[mode], domains: [...hosts], egressBytesMax: BigInt(egressBytesMax) };
}

const ONE_FORM = "give Type with Domains, or http with its list, not both.";

function readFields(network: FieldCursor, read: NetworkFields): void {
  const setMode = (field: FieldCursor, mode: NetworkMode | undefined): void => {
    if (read.modeField !== network) field.problem("FIELD_INVALID", ONE_FORM);
    Object.assign(read, { mode, modeField: field });
  };
  const setHosts = (field: FieldCursor): void => {
    if (read.hostsField !== undefined) field.problem("FIELD_INVALID", ONE_FORM);
    Object.assign(read, { hosts: readHosts(field.is("task.network.domains")), hostsField: field });
  };
  network.fields({
    Type: (field) => setMode(field, readMode(field.is("task.network.mode"))),
    Domains: setHosts,
    http: (field) => {
      setMode(field, "http");
      setHosts(field);
    },
    EgressBytesMax: (field) => {
      if (field.isNull) return;
      Object.assign(read, { egressBytesMax: field.is("task.network.egressBytesMax").parsed(parseBytes) ?? 0, egressField: field });
    },
    Ports: (field) => {
      if (field.list().length > 0)
        field.attempt(() => raise(refuseFeature("Ports of the network are", "Leave Ports out: nothing can connect to a job.")));
    },
  });
}

function readMode(field: FieldCursor): NetworkMode | undefined {
  if (field.isList)
    return field.problem("FIELD_INVALID", "the network is a list without a type; hosts are written {http: [api.example.com]}.");
  const word = field.isNull ? "none" : field.text()?.trim();
  if (word === undefined) return undefined;
  if (word.toLowerCase() === "default") field.note(`${word} is taken as None: a job has no network here unless it asks for one`);
  const mode = word === "" ? "none" : parseNetworkMode(word);
  if (mode !== undefined) return mode;
  if (isKnownNetwork(word)) return field.attempt(() => raise(refuseNetwork(word)));
  const words = ["None", "HTTP", "Full"];
  return field.problem("FIELD_INVALID", `unknown network type "${word}"${suggestion(word, words) || `; expected ${words.join(", ")}`}.`);
}

function readHosts(field: FieldCursor): readonly string[] {
  return field.list().flatMap((item, index) => item.is(`task.network.domains[${index}]`).text()?.trim() ?? []);
}

function checkHttp({ modeField, hostsField }: NetworkFields): void {
  if (hostsField === undefined || hostsField.list().length === 0)
    modeField.problem("FIELD_REQUIRED", "the network http needs a list: {http: [api.example.com, .example.org]}.");
}

function checkOther({ hostsField, egressField }: NetworkFields): void {
  if (hostsField !== undefined && hostsField.list().length > 0) hostsField.problem("FIELD_INVALID", "Domains go with Type HTTP.");
  egressField?.problem("FIELD_INVALID", "EgressBytesMax goes with Type HTTP.");
}
