import { createRouterTransport } from "@connectrpc/connect";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { expect, test } from "vitest";
import { createFetcherClient } from "../adapters/fetcher-client.ts";
import { createPublisherClient } from "../adapters/publisher-client.ts";
import { describeData } from "./describe-data.ts";

const nobody = clientErrors(createRouterTransport(() => undefined));
const fetcher = clientErrors(createRouterTransport(({ service }) => service(FetchService, { getCacheState: () => ({ entries: 3 }) })));
const publisher = clientErrors(createRouterTransport(({ service }) => service(StoreService, { getStoreState: () => ({ results: 4 }) })));
const silent = clientErrors(
  createRouterTransport(({ service }) => service(StoreService, { getStoreState: () => new Promise<never>(() => undefined) })),
);

test("tells what the cache and the store hold", async () => {
  const parts = { inputs: createFetcherClient(fetcher), results: createPublisherClient(publisher) };
  expect(await describeData(parts, AbortSignal.timeout(10_000))).toMatchObject({ cache: { entries: 3 }, store: { results: 4 } });
});

test.for([
  { title: "is away", store: nobody },
  { title: "does not answer", store: silent },
])("leaves out a store that $title, and tells of the cache", async ({ store }) => {
  const parts = { inputs: createFetcherClient(fetcher), results: createPublisherClient(store) };
  const told = await describeData(parts, AbortSignal.timeout(10_000));
  expect([told.cache?.entries, told.store]).toEqual([3, undefined]);
});

test("ends with its caller", async () => {
  const parts = { inputs: createFetcherClient(fetcher), results: createPublisherClient(silent) };
  await expect(describeData(parts, AbortSignal.abort(new Error("the caller left")))).rejects.toThrow("the caller left");
});
