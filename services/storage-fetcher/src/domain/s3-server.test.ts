import { expect, test } from "vitest";
import { serverOf } from "./s3-server.ts";

const AWS = serverOf(undefined);

test.each([
  "https://s3.amazonaws.com",
  "https://s3.amazonaws.com:443/",
  "https://s3.eu-central-1.amazonaws.com",
  "https://s3-eu-west-1.amazonaws.com",
  "https://s3.dualstack.us-east-2.amazonaws.com",
  "https://s3-fips.us-gov-west-1.amazonaws.com",
  "https://s3-fips.dualstack.us-east-1.amazonaws.com",
  "https://S3.cn-north-1.amazonaws.com.cn",
])("%s is AWS", (endpoint) => {
  expect(serverOf(new URL(endpoint))).toBe(AWS);
});

test.each([
  // Anybody's own programs answer there.
  "https://a1b2c3.execute-api.us-east-1.amazonaws.com",
  "https://x-123.s3-object-lambda.us-east-1.amazonaws.com",
  "https://ec2-3-4-5-6.compute-1.amazonaws.com",
  "https://mine.elb.us-east-1.amazonaws.com",
  // These ask another bucket than the one that was checked against the list.
  "https://secret.s3.us-east-1.amazonaws.com",
  "https://s3.us-east-1.amazonaws.com/secret",
  "http://s3.us-east-1.amazonaws.com",
  "https://s3.us-east-1.amazonaws.com:8443",
  "https://s3.us-east-1.amazonaws.com.evil.example",
  "https://s3.evil.example",
  "https://xs3.us-east-1.amazonaws.com",
])("%s is not", (endpoint) => {
  expect(serverOf(new URL(endpoint))).not.toBe(AWS);
});

test("a server is its protocol, host, port and path, however they are written", () => {
  expect(serverOf(new URL("http://Store:80/s3/"))).toBe(serverOf(new URL("http://store/s3")));
  for (const other of ["https://store/s3", "http://store:81/s3", "http://store/", "http://store/s4"])
    expect(serverOf(new URL(other))).not.toBe(serverOf(new URL("http://store/s3")));
});
