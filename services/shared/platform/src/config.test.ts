import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ConfigInput } from "./config-sources.ts";
import { configTable, describeConfig, type LoadedConfig, loadConfig } from "./config.ts";
import { flagField, listField, portField } from "./config-fields.ts";

const folder = mkdtempSync(join(tmpdir(), "skrei-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const Schema = z
  .strictObject({
    listenPort: portField().default(1234).describe("API port; 0 picks a free one"),
    heartbeatTimeoutMs: z.coerce.number().int().positive().default(15_000).describe("silence after which a node is lost"),
    bidWindowMs: z.coerce.number().int().positive().default(500).describe("how long bids are collected"),
    joinToken: z.string().min(8).describe("secret of joining nodes"),
    redisUrl: z.string().optional().describe("state store"),
    isEmbedded: flagField().default(false).describe("one process"),
    natsUrls: listField(z.url()).default([]).describe("message bus"),
  })
  .refine((config) => config.bidWindowMs < config.heartbeatTimeoutMs, {
    path: ["bidWindowMs"],
    error: "must be shorter than heartbeatTimeoutMs",
  });

describe("loadConfig", () => {
  test("takes flags over environment over file over defaults", () => {
    const files = [file("a.yaml", "listenPort: 1\nheartbeatTimeoutMs: 2000\nbidWindowMs: 3\njoinToken: from-file\n")];
    const env = { SKREI_SCHEDULER_LISTEN_PORT: "10", SKREI_SCHEDULER_HEARTBEAT_TIMEOUT_MS: "20000", PATH: "/bin", SKREI_OTHER_X: "1" };
    const { config, described } = load({ files, env, argv: ["--listen-port", "100"] });
    expect(config).toEqual({
      listenPort: 100,
      heartbeatTimeoutMs: 20_000,
      bidWindowMs: 3,
      joinToken: "from-file",
      isEmbedded: false,
      natsUrls: [],
    });
    expect(described["listenPort"]).toEqual({ value: 100, source: "--listen-port" });
    expect(described["heartbeatTimeoutMs"]).toEqual({ value: 20_000, source: "SKREI_SCHEDULER_HEARTBEAT_TIMEOUT_MS" });
    expect(described["bidWindowMs"]).toEqual({ value: 3, source: files[0] });
    expect(described["isEmbedded"]).toEqual({ value: false, source: "default" });
  });

  test("reads secrets from files and never shows them", () => {
    const secretFile = file("token", "s3cret-s3cret\n");
    for (const input of [{ env: { SKREI_SCHEDULER_JOIN_TOKEN_FILE: secretFile } }, { argv: ["--join-token-file", secretFile] }]) {
      const { config, described } = load(input);
      expect(config.joinToken).toBe("s3cret-s3cret");
      expect(JSON.stringify(described)).not.toContain("s3cret");
    }
  });

  test("refuses a secret that is given twice in one source", () => {
    const env = { ...TOKEN, SKREI_SCHEDULER_JOIN_TOKEN_FILE: file("token", "other-token") };
    expect(problemsOf({ env })).toEqual([
      expect.stringContaining("SKREI_SCHEDULER_JOIN_TOKEN or SKREI_SCHEDULER_JOIN_TOKEN_FILE, not both"),
    ]);
  });

  test("hides the password of a URL", () => {
    const { config, described } = load({ env: TOKEN, argv: ["--redis-url", "redis://user:pa55@db:6379"] });
    expect(config.redisUrl).toBe("redis://user:pa55@db:6379");
    expect(JSON.stringify(described)).not.toContain("pa55");
  });

  test("says of what is no number what would be one", () => {
    const argv = ["--listen-port", "x", "--bid-window-ms", "1.5"];
    expect(problemsOf({ env: TOKEN, argv })).toEqual([
      'listenPort: must be a number; got "x" from --listen-port',
      'bidWindowMs: must be a whole number; got "1.5" from --bid-window-ms',
    ]);
    expect(problemsOf({ env: TOKEN, argv: ["--listen-port", "70000"] })).toEqual([
      'listenPort: must be at most 65535; got "70000" from --listen-port',
    ]);
  });

  test("lists every problem with its source, value and what is expected", () => {
    const env = { SKREI_SCHEDULER_LISTEN_PORT: "http", SKREI_SCHEDULER_JOIN_TOKEN: "short", SKREI_SCHEDULER_BID_WINDOW: "1" };
    const problems = problemsOf({ env, argv: ["--heartbeat-timout-ms=5", "--nats-urls", "nonsense", "stray"] });
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^listenPort: .*number.*got "http" from SKREI_SCHEDULER_LISTEN_PORT$/u),
        expect.stringMatching(/^joinToken: .*8.*got "\[redacted\]" from SKREI_SCHEDULER_JOIN_TOKEN$/u),
        expect.stringContaining("SKREI_SCHEDULER_BID_WINDOW is not a known setting; did you mean SKREI_SCHEDULER_BID_WINDOW_MS?"),
        expect.stringContaining("--heartbeat-timout-ms is not a known setting; did you mean --heartbeat-timeout-ms?"),
        expect.stringContaining('"nonsense" from --nats-urls'),
        expect.stringContaining("stray: is no flag"),
      ]),
    );
    expect(problems).toHaveLength(6);
    expect(problems.join()).not.toContain('short"');
  });

  test("says how to set what is missing", () => {
    expect(problemsOf({})).toEqual([expect.stringContaining("set --join-token or SKREI_SCHEDULER_JOIN_TOKEN")]);
  });

  test("checks rules across fields", () => {
    expect(problemsOf({ env: TOKEN, argv: ["--bid-window-ms", "20000"] })).toEqual([
      expect.stringContaining("bidWindowMs: must be shorter than heartbeatTimeoutMs"),
    ]);
  });

  test("reads booleans and lists as people write them", () => {
    const { config } = load({ env: TOKEN, argv: ["--is-embedded", "--nats-urls", "nats://a:1, nats://b:2"] });
    expect(config).toMatchObject({ isEmbedded: true, natsUrls: ["nats://a:1", "nats://b:2"] });
    expect(load({ env: TOKEN, argv: ["--no-is-embedded"] }).config.isEmbedded).toBe(false);
    expect(load({ env: { ...TOKEN, SKREI_SCHEDULER_IS_EMBEDDED: "false" } }).config.isEmbedded).toBe(false);
  });

  test("takes an empty variable for none", () => {
    expect(load({ env: { ...TOKEN, SKREI_SCHEDULER_LISTEN_PORT: "" } }).config.listenPort).toBe(1234);
  });

  test("reads the file that --config names, also as JSON", () => {
    const path = file("c.json", JSON.stringify({ joinToken: "from-json", natsUrls: ["nats://a:1"] }));
    expect(load({ argv: ["--config", path] }).config).toMatchObject({ joinToken: "from-json", natsUrls: ["nats://a:1"] });
  });

  test.each([
    ["missing", undefined],
    ["no map", "- a\n- b\n"],
    ["broken", "a: [1\n"],
    ["a bomb of aliases", "a: &a [x]\nb: [*a, *a]\n"],
  ])("reports a file that is %s", (_, content) => {
    const path = content === undefined ? join(folder, "nowhere.yaml") : file("bad.yaml", content);
    expect(problemsOf({ env: TOKEN, files: [path] })).toEqual([expect.stringContaining(path)]);
  });
});

test("describeConfig lists every knob with its names, default and sentence", () => {
  expect(describeConfig(Schema, "scheduler")).toContainEqual({
    key: "heartbeatTimeoutMs",
    env: "SKREI_SCHEDULER_HEARTBEAT_TIMEOUT_MS",
    flag: "--heartbeat-timeout-ms",
    default: "15000",
    description: "silence after which a node is lost",
  });
  expect(configTable(Schema, "compute-agent")).toContain(
    "| `--join-token` | `SKREI_COMPUTE_AGENT_JOIN_TOKEN` |  | secret of joining nodes |",
  );
});

const TOKEN = { SKREI_SCHEDULER_JOIN_TOKEN: "long-enough" };

function load(input: Partial<ConfigInput>): LoadedConfig<z.output<typeof Schema>> {
  return loadConfig(Schema, { service: "scheduler", env: {}, argv: [], ...input });
}

function problemsOf(input: Partial<ConfigInput>): string[] {
  try {
    load(input);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error).toMatchObject({ kind: "invalid", reason: "CONFIG_INVALID" });
    return error.violations.map(({ field, message }) => `${field}: ${message}`);
  }
  throw new Error("the configuration was accepted");
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
