import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { addPublisherViolations, TARGET_PLACEHOLDERS, Violations } from "@skrei/domain";
import { Publisher_Type as Type, PublisherSchema, S3Target_Encoding as Encoding } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { describe, expect, test } from "vitest";
import { draftPublisher } from "./draft-publisher.ts";

type Init = MessageInitShape<typeof PublisherSchema>;

function draft(init: Init | undefined) {
  const violations = new Violations();
  const publisher = draftPublisher(init === undefined ? undefined : create(PublisherSchema, init), violations);
  if (violations.count === 0) addPublisherViolations(publisher, violations);
  return { publisher, problems: violations.all.map(({ field, message }) => `${field.replace("task.publisher", "")}: ${message}`) };
}
const s3 = (change: object = {}): Init => ({ type: Type.S3, s3: { bucket: "results", key: "r/{executionID}", ...change } });
const local = (path: string): Init => ({ type: Type.LOCAL, local: { path } });

describe("where results go", () => {
  test("is the node's default when nothing is said", () => {
    expect(draft(undefined)).toEqual({ publisher: { type: "default" }, problems: [] });
    expect(draft({})).toEqual({ publisher: { type: "default" }, problems: [] });
  });

  test("may be each target, with every placeholder", () => {
    const key = TARGET_PLACEHOLDERS.join("/");
    expect(draft(s3({ key })).publisher).toEqual({ type: "s3", bucket: "results", key, region: "", endpoint: "", encoding: "tar.gz" });
    expect(draft({ type: Type.S3, s3: { bucket: "results", key: "r", encoding: Encoding.CAR }, retention: { seconds: 7n } })).toMatchObject(
      {
        publisher: { encoding: "car", retentionMs: 7_000 },
        problems: [],
      },
    );
    expect(draft(local(`/srv/${key}`))).toEqual({ publisher: { type: "local", path: `/srv/${key}` }, problems: [] });
    for (const type of [Type.IPFS, Type.CLUSTER]) expect(draft({ type }).problems).toEqual([]);
  });

  test.each([
    ["no target of S3", { type: Type.S3 }, [".s3.bucket: missing", ".s3.key: missing"]],
    ["no key", s3({ key: "" }), [".s3.key: missing; allowed: a key such as results/{executionID}"]],
    ["a key that begins with a slash", s3({ key: "/a" }), [".s3.key: found"]],
    ["a key with an empty part", s3({ key: "a//b" }), [".s3.key: found"]],
    ["a key with a line break", s3({ key: "a\n" }), [".s3.key: found"]],
    [
      "an unknown placeholder",
      s3({ key: "{jobId}/x" }),
      ["braces around {jobID}, {executionID}, {nodeID}, {partition}, {date}, {time} alone"],
    ],
    ["a brace that is left open", s3({ key: "a{jobID" }), [".s3.key: found"]],
    ["a key that gets too long", s3({ key: "{jobID}".repeat(40) }), ["at most 1016 bytes of UTF-8 once its placeholders are replaced"]],
    ["credentials", s3({ endpoint: "https://a:b@c" }), [".s3.endpoint: found"]],
    ["an encoding of a newer client", s3({ encoding: 9 }), [".s3.encoding: found 9; allowed: FILES, TAR_GZIP, TAR_ZSTD or CAR"]],
    ["a type of a newer client", { type: 9 as Type }, [".type: found 9; allowed: CLUSTER, S3, IPFS or LOCAL"]],
    ["no path", { type: Type.LOCAL }, [".local.path: missing"]],
    ["the root", local("/"), [".local.path: found"]],
    ["a path with ..", local("/a/../{jobID}"), [".local.path: found"]],
    ["a path with an unknown placeholder", local("/a/{user}"), ["braces around"]],
    ["S3 that is not used", { type: Type.IPFS, s3: { bucket: "b" } }, [".s3: found with another type; allowed: only with TYPE_S3"]],
    ["S3 without a type", { s3: { bucket: "b" } }, [".s3: found with another type"]],
    ["a folder that is not used", { ...s3(), local: { path: "/a" } }, [".local: found with another type"]],
    ["a retention of nothing", { retention: {} }, [".retention: found 0; allowed: 1 to 315360000000 ms"]],
    ["a retention of less", { retention: { seconds: -1n } }, [".retention: found"]],
    ["a retention of centuries", { retention: { seconds: 2n ** 40n } }, [".retention: found"]],
  ] as readonly [string, Init, string[]][])("is refused with %s", (_, init, messages) => {
    expect(draft(init).problems).toEqual(messages.map((message) => expect.stringContaining(message)));
  });
});
