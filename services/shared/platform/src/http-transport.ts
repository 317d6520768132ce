import type { Interceptor, Transport } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport } from "@connectrpc/connect-node";
import { clientErrors } from "./error-interceptor.ts";

export interface HttpTransportOptions {
  /** `http://127.0.0.1:1234` */
  readonly url: string;
  /** Default "1.1"; "2" is prior-knowledge h2c for http URLs. */
  readonly httpVersion?: "1.1" | "2";
  readonly interceptors?: readonly Interceptor[];
  /** For calls that give none. Default: none, so that watches may stay open. */
  readonly timeoutMs?: number;
  /** Ask for gzip. Default false: between services of a host it costs more time than it saves (about 30 MB/s of a core). */
  readonly isCompressed?: boolean;
  /** Default 16 MiB. */
  readonly readBytesMax?: number;
}

/** The Connect protocol with binary messages over HTTP. Calls throw DomainErrors; connection failures are unavailable/UNREACHABLE. */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { url, httpVersion = "1.1", interceptors = [], timeoutMs, isCompressed = false, readBytesMax = READ_BYTES_MAX } = options;
  return clientErrors(
    createConnectTransport({
      baseUrl: url.replace(/\/+$/u, ""),
      httpVersion,
      useBinaryFormat: true,
      interceptors: [...interceptors],
      readMaxBytes: readBytesMax,
      acceptCompression: isCompressed ? [compressionGzip] : [],
      ...(timeoutMs !== undefined && { defaultTimeoutMs: timeoutMs }),
    }),
  );
}

const READ_BYTES_MAX = 16 * 1024 * 1024;
