import type { ServerOptions } from '../../options.ts';
import type { MetricsSnapshot, ProxyMetrics } from '../metrics.ts';
import type { Readiness } from '../port/status-server.ts';

/** What a worker is to serve with. */
export interface WorkerStart {
  readonly options: ServerOptions;
  readonly sealKeys: readonly Uint8Array[];
  /** `host:port` of the status port, which is the primary's. */
  readonly peerAddress: string;
}

/** What the primary tells a worker, which answers nothing. */
export type WorkerOrder =
  | { readonly order: 'stop'; readonly drainTimeoutMs: number }
  | { readonly order: 'checkFiles' };

/** What the primary asks a worker, and what it is answered. */
export interface WorkerQuestions {
  readonly ready: Readiness;
  readonly metrics: WorkerMetrics;
  readonly prometheus: Awaited<ReturnType<ProxyMetrics['prometheusParts']>>;
  /** Of another instance: as `PeerAnswers`; undefined where it was not asked with our key. */
  readonly peer: string | undefined;
}

export interface WorkerMetrics {
  readonly snapshot: MetricsSnapshot;
  /** Calls over which `avg_response_time_ms` is the mean. */
  readonly responseCount: number;
}

export interface WorkerQuestion {
  readonly question: keyof WorkerQuestions;
  /** Returned with the answer. */
  readonly number: number;
  /** What another instance said; else ''. */
  readonly text: string;
}

/** What a worker says. */
export type WorkerReport =
  | { readonly report: 'waits' }
  | { readonly report: 'serves'; readonly id: string }
  | { readonly report: 'failed'; readonly message: string }
  | { readonly report: 'answer'; readonly number: number; readonly value: unknown };
