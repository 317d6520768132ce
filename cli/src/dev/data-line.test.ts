import { expect, test } from "vitest";
import { describeData } from "./data-line.ts";

const NOTHING = { s3Endpoint: "", s3Buckets: ["*"], hasS3Credentials: false, allowedLocalPaths: [], publishFolders: [], ipfs: [] };

test("names where data may come from and go to, if anything is set", () => {
  expect(describeData(NOTHING)).toBe("");
  expect(
    describeData({
      s3Endpoint: "http://s3.lan:9000",
      s3Buckets: ["in", "out"],
      hasS3Credentials: true,
      allowedLocalPaths: ["/data", "/scratch:rw"],
      publishFolders: ["/srv/out"],
      ipfs: ["https://gateway.example", "http://127.0.0.1:5001"],
    }),
  ).toBe(
    "S3 http://s3.lan:9000 (in, out) · reads /data, /scratch:rw · publishes below /srv/out · IPFS https://gateway.example, http://127.0.0.1:5001",
  );
});

test("says of S3 whose it is, and what lacks", () => {
  expect(describeData({ ...NOTHING, hasS3Credentials: true })).toBe("S3 of AWS (all buckets)");
  expect(describeData({ ...NOTHING, s3Endpoint: "http://s3.lan" })).toBe(
    "S3 http://s3.lan (all buckets, no credentials: only public objects)",
  );
  expect(describeData({ ...NOTHING, publishFolders: ["/1", "/2", "/3", "/4", "/5"] })).toBe("publishes below /1, /2, /3, /4 and 1 more");
});
