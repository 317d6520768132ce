import { expect, test } from "vitest";
import { parseTarget, resolveTarget } from "./delivery-target.ts";

test("reads what an operator may write as default", () => {
  expect(parseTarget("ipfs")).toEqual({ type: "ipfs" });
  expect(parseTarget("cluster")).toEqual({ type: "cluster" });
  expect(parseTarget("local:/srv/{jobID}")).toEqual({ type: "local", path: "/srv/{jobID}" });
  expect(parseTarget("s3://bucket/a/{jobID}")).toEqual({
    type: "s3",
    bucket: "bucket",
    key: "a/{jobID}",
    region: "",
    endpoint: "",
    encoding: "tar.gz",
  });
  expect(parseTarget("s3://b/k,opt=region=eu-1,opt=encoding=car,opt=endpoint=http://10.0.0.5:9000")).toMatchObject({
    region: "eu-1",
    encoding: "car",
    endpoint: "http://10.0.0.5:9000",
  });
});

test.each([
  "",
  "s3://",
  "s3://bucket",
  "s3://bucket/",
  "local:relative",
  "ftp://x",
  "s3://b/k,opt=encoding=zip",
  "s3://b/k,region=eu",
  "s3://b/k,opt=size=1",
])("does not know %j", (text) => {
  expect(parseTarget(text)).toBeUndefined();
});

test("has the node's default stand where a job asks for nothing", () => {
  expect(resolveTarget({ type: "default" }, { type: "ipfs" })).toEqual({ type: "ipfs" });
  expect(resolveTarget({ type: "default" }, undefined)).toBeUndefined();
  expect(resolveTarget({ type: "cluster" }, { type: "ipfs" })).toBeUndefined();
  expect(resolveTarget({ type: "local", path: "/a" }, { type: "ipfs" })).toEqual({ type: "local", path: "/a" });
});
