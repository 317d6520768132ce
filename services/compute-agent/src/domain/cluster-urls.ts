/** Where a node finds the services of its cluster, by its own settings. */
export interface ServiceAddresses {
  readonly schedulerUrls: readonly string[];
  readonly fetcherUrl: string;
  readonly proxyUrl: string;
  readonly publisherUrl: string;
  readonly dockerHost: string;
}

/** All addresses of the cluster that a node knows, for its proxy to keep tasks away from; `named` are those that the scheduler told. */
export function clusterUrls(addresses: ServiceAddresses, named: readonly string[]): readonly string[] {
  const { schedulerUrls, fetcherUrl, proxyUrl, publisherUrl, dockerHost } = addresses;
  const engine = dockerHost.startsWith("unix:") ? [] : [dockerHost];
  const all = [...schedulerUrls, fetcherUrl, proxyUrl, publisherUrl, ...engine, ...named].filter((url) => url !== "");
  // A bus may be named as `host:port`.
  return [...new Set(all.map((url) => (url.includes("://") ? url : `tcp://${url}`)))];
}
