import { describe, expect, it } from 'vitest';
import { sumMetrics, summedMetrics } from '../../../src/proxy/instances/summed-metrics.ts';
import { ProxyMetrics } from '../../../src/proxy/metrics.ts';

/** Metrics of a worker that sent so many messages, each in so many milliseconds. */
function worker(sentCount: number, durationMs: number): ProxyMetrics {
  let nowMs = 0;
  const metrics = new ProxyMetrics({ activeProducers: () => 1, activeConsumers: () => 0, nowMs: () => nowMs });
  for (let count = 0; count < sentCount; count += 1) {
    const ended = metrics.callStarted();
    nowMs += durationMs;
    metrics.messageSent();
    ended(false);
  }
  return metrics;
}

describe('metrics of several workers', () => {
  const workers = [worker(3, 10), worker(1, 50), worker(0, 0)];
  const each = workers.map((metrics) => ({ snapshot: metrics.snapshot(), responseCount: metrics.responseCount }));

  it('are sums, and the mean over all calls', () => {
    const sum = sumMetrics(each);
    expect(sum).toMatchObject({ messages_sent: 4, active_producers: 3, avg_response_time_ms: 20 });
    expect(Object.keys(sum)).toEqual(Object.keys(each[0]?.snapshot ?? {}));
    expect(sum.memory_usage_mb).toBeCloseTo(each.reduce((total, { snapshot }) => total + snapshot.memory_usage_mb, 0));
    expect(sumMetrics([]).avg_response_time_ms).toBe(0);
  });

  it('are one text for Prometheus', async () => {
    const source = summedMetrics({
      metrics: async () => each,
      prometheus: () => Promise.all(workers.map((metrics) => metrics.prometheusParts())),
    });
    expect(await source.snapshot()).toMatchObject({ messages_sent: 4 });
    const text = await source.prometheusText();
    expect(text).toContain('rocketmq_proxy_messages_sent_total 4\n');
    expect(text).toContain('rocketmq_proxy_response_time_seconds_count 4\n');
    expect(text).toContain('rocketmq_proxy_response_time_seconds_bucket{le="0.01"} 3\n');
    expect(text).toContain(`process_start_time_seconds ${performance.timeOrigin / 1000}\n`);
    expect(source.prometheusContentType).toBe(workers[0]?.prometheusContentType);
  });
});
