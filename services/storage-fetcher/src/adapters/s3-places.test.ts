import { expect, test } from "vitest";
import { createAddressPolicy, createOperatorPolicy } from "./address-policy.ts";
import { S3Places } from "./s3-places.ts";

const ENDPOINT = "http://10.0.0.5:9000";

test("a bucket that the operator did not list is refused with the setting that does", () => {
  using places = new S3Places({
    endpoint: ENDPOINT,
    region: "",
    credentials: { accessKeyId: "key", secretAccessKey: "secret" },
    buckets: ["mine"],
    operatorPolicy: createOperatorPolicy([]),
    policy: createAddressPolicy([]),
    triesMax: 1,
    answerTimeoutMs: 1_000,
    idleTimeoutMs: 1_000,
  });
  const check = (bucket: string, endpoint: string): void =>
    places.check({ type: "s3", bucket, key: "k", filter: "", region: "", endpoint, versionId: "", sha256: "" });
  const refusal = (hint: string) =>
    expect.objectContaining({ reason: "SOURCE_NOT_ALLOWED", metadata: { hint: expect.stringContaining(hint) } });
  for (const endpoint of ["", ENDPOINT]) {
    expect(() => check("mine", endpoint)).not.toThrow();
    expect(() => check("other", endpoint)).toThrow(refusal("s3Buckets"));
  }
  expect(() => check("mine", "http://10.0.0.6:9000")).toThrow(refusal("allowedPrivateCidrs"));
});
