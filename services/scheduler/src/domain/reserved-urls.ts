/** Where services are, without what else their URLs say: credentials are for those that call them. Files and sockets have no place. */
export function reservedUrls(urls: readonly string[]): readonly string[] {
  const remote = urls.filter((text) => !text.startsWith("sqlite:"));
  const places = remote.flatMap((text) => {
    // A bus may be named as `host:port`.
    const url = URL.parse(text.includes("://") ? text : `tcp://${text}`);
    return url === null || url.hostname === "" ? [] : [`tcp://${url.hostname}${url.port === "" ? "" : `:${url.port}`}`];
  });
  return [...new Set(places)];
}
