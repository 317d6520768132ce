import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeQuery, encodeRfc3986, presignQuery, signRequest, UNSIGNED_PAYLOAD } from "./sign-v4.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The worked examples of the S3 documentation, "Authenticating Requests (AWS Signature Version 4)". */
const context = {
  credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  region: "us-east-1",
  nowMs: Date.UTC(2013, 4, 24),
};
const host = "examplebucket.s3.amazonaws.com";
const empty = sha256("");
const get = { method: "GET", path: "/", query: {}, headers: { host }, payloadHash: empty };

test.each([
  [
    "an object's first bytes",
    { ...get, path: "/test.txt", headers: { host, range: "bytes=0-9" } },
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "an object to store",
    {
      method: "PUT",
      path: "/test%24file.text",
      query: {},
      headers: { host, date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      payloadHash: sha256("Welcome to Amazon S3."),
    },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  ["a setting", { ...get, query: { lifecycle: "" } }, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
  ["a listing", { ...get, query: { prefix: "J", "max-keys": "2" } }, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
])("signs the documented request for %s", (_name, request, signature) => {
  expect(signRequest(request, context)["authorization"]).toMatch(new RegExp(`Signature=${signature}$`, "u"));
});

test("presigns the documented link", () => {
  const query = presignQuery({ method: "GET", path: "/test.txt", query: {}, host, expiresInS: 86_400 }, context);
  expect(query).toContain("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
});

/** The hash that the oracle asks for: with a key it is an HMAC. */
class NodeSha256 {
  readonly #hash: Hash | Hmac;
  constructor(key?: string | NodeJS.ArrayBufferView) {
    this.#hash = key === undefined ? createHash("sha256") : createHmac("sha256", key);
  }
  update(data: string | NodeJS.ArrayBufferView): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return await Promise.resolve(new Uint8Array(this.#hash.digest()));
  }
}

test("agrees with AWS's own signer on any key, query and header", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((value) => value.isWellFormed());
  const request = fc.record({
    key: text,
    query: fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/u), text, { maxKeys: 4 }),
    meta: fc.stringMatching(/^[\x21-\x7e][\x20-\x7e]{0,20}$/u),
    token: fc.option(fc.stringMatching(/^[A-Za-z0-9+/=]{1,40}$/u), { nil: undefined }),
    atMs: fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) }),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ key, query, meta, token, atMs }) => {
      const credentials = { ...context.credentials, ...(token === undefined ? {} : { sessionToken: token }) };
      const oracle = new SignatureV4({
        service: "s3",
        region: "eu-west-1",
        credentials,
        sha256: NodeSha256 as never,
        uriEscapePath: false,
        applyChecksum: false,
      });
      const path = `/${key.split("/").map(encodeRfc3986).join("/")}`;
      const base = { method: "GET", path, query, headers: { host, "x-amz-meta-a": meta }, payloadHash: UNSIGNED_PAYLOAD };
      const ours = signRequest(base, { credentials, region: "eu-west-1", nowMs: atMs });
      const theirs = await oracle.sign(
        {
          method: "GET",
          protocol: "https:",
          hostname: host,
          path,
          query,
          headers: { ...base.headers, "x-amz-content-sha256": UNSIGNED_PAYLOAD },
        },
        { signingDate: new Date(atMs) },
      );
      expect(ours["authorization"]).toBe(theirs.headers["authorization"]);
    }),
    { numRuns: 200 },
  );
});

test("sends queries as they are signed: sorted, with nothing but unreserved characters left as it is", () => {
  expect(encodeQuery({ prefix: "a b+c/ü*", "list-type": "2", delimiter: "" })).toBe("delimiter=&list-type=2&prefix=a%20b%2Bc%2F%C3%BC%2A");
});
