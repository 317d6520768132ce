/** Every key that a log line may have; a misspelt one does not compile. Names equal the variables they come from. */
export interface LogFields {
  readonly service?: string;
  readonly instance?: string;
  readonly build?: string;
  readonly component?: string;
  // Correlation
  readonly jobId?: string;
  readonly jobVersion?: number;
  readonly executionId?: string;
  readonly evaluationId?: string;
  readonly nodeId?: string;
  readonly partition?: number;
  readonly attempt?: number;
  readonly epoch?: number;
  readonly term?: number;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly askId?: string;
  readonly leaseId?: string;
  // Event
  readonly event?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly kind?: string;
  readonly hint?: string;
  readonly state?: string;
  readonly durationMs?: number;
  readonly delayMs?: number;
  readonly timeoutMs?: number;
  readonly count?: number;
  readonly limit?: number;
  readonly revision?: number;
  readonly sequence?: number;
  readonly err?: unknown;
  // Calls
  readonly method?: string;
  readonly code?: string;
  readonly address?: string;
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly signal?: string;
  readonly pid?: number;
  readonly version?: string;
  readonly config?: unknown;
  // Work
  readonly engine?: string;
  readonly image?: string;
  readonly digest?: string;
  readonly cid?: string;
  readonly source?: string;
  readonly exitCode?: number;
  readonly isOomKilled?: boolean;
  readonly sizeBytes?: number;
  readonly logBytes?: number;
  readonly freeBytes?: number;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly verdict?: string;
  readonly rule?: string;
  readonly nodeRule?: string;
  readonly addressClass?: string;
  readonly jobs?: number;
  readonly executions?: number;
  readonly nodes?: number;
  readonly partitions?: number;
}
