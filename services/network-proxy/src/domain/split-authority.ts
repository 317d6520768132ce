/** `host[:port]` of a request or URL. User names are refused here: they make people, and parsers, see another host. */
export function splitAuthority(authority: string, defaultPort: number | undefined): { host: string; port: number } | undefined {
  const [, host = "", digits] = /^(\[[^[\]@]*\]|[^:@[\]/?#\\]*)(?::(\d{1,5}))?$/u.exec(authority) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  return host === "" || port === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
