import { expect, test } from "vitest";
import { clusterUrls } from "./cluster-urls.ts";

const addresses = {
  schedulerUrls: ["http://one:1234", "http://two:1234"],
  fetcherUrl: "http://127.0.0.1:1237",
  proxyUrl: "http://127.0.0.1:1238",
  publisherUrl: "http://127.0.0.1:1236",
  dockerHost: "unix:///var/run/docker.sock",
};

test("names every service once, the bus in whatever form it was told", () => {
  expect(clusterUrls(addresses, ["nats://bus:4222", "bus-2:4222", "", "http://one:1234"])).toEqual([
    "http://one:1234",
    "http://two:1234",
    "http://127.0.0.1:1237",
    "http://127.0.0.1:1238",
    "http://127.0.0.1:1236",
    "nats://bus:4222",
    "tcp://bus-2:4222",
  ]);
});

test("a Docker engine counts when it can be reached over a network", () => {
  expect(clusterUrls({ ...addresses, dockerHost: "tcp://docker:2375" }, [])).toContain("tcp://docker:2375");
  expect(clusterUrls(addresses, []).join()).not.toContain("docker");
});
