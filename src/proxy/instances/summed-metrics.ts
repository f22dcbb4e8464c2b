import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot, ProxyMetrics } from '../metrics.ts';
import type { MetricsSource } from '../port/status-server.ts';
import type { WorkerMetrics } from './worker-messages.ts';

/** What workers count, together: sums, and of the response time the mean over all calls. */
export function sumMetrics(workers: readonly WorkerMetrics[]): MetricsSnapshot {
  const sum = (name: keyof MetricsSnapshot): number =>
    workers.reduce((total, { snapshot }) => total + snapshot[name], 0);
  const responseCount = workers.reduce((total, worker) => total + worker.responseCount, 0);
  const responseTimeMs = workers.reduce(
    (total, worker) => total + worker.snapshot.avg_response_time_ms * worker.responseCount,
    0,
  );
  return {
    active_connections: sum('active_connections'),
    total_connections: sum('total_connections'),
    refused_connections: sum('refused_connections'),
    active_producers: sum('active_producers'),
    active_consumers: sum('active_consumers'),
    messages_sent: sum('messages_sent'),
    messages_received: sum('messages_received'),
    messages_per_second: sum('messages_per_second'),
    avg_response_time_ms: responseCount === 0 ? 0 : Math.round((responseTimeMs / responseCount) * 1000) / 1000,
    error_count: sum('error_count'),
    goroutine_count: sum('goroutine_count'),
    memory_usage_mb: Math.round(sum('memory_usage_mb') * 10) / 10,
    channel_full_events: sum('channel_full_events'),
  };
}

/** What asks the workers. */
export interface WorkerMetricsReader {
  metrics(): Promise<readonly WorkerMetrics[]>;
  prometheus(): Promise<readonly Awaited<ReturnType<ProxyMetrics['prometheusParts']>>[]>;
}

/** `/metrics` of all workers together. */
export function summedMetrics(workers: WorkerMetricsReader): MetricsSource {
  return {
    snapshot: async () => sumMetrics(await workers.metrics()),
    prometheusText: async () => AggregatorRegistry.aggregate([...(await workers.prometheus())]).metrics(),
    prometheusContentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE,
  };
}
