import { describe, expect, it } from 'vitest';
import { ProxyMetrics } from '../../src/proxy/metrics.ts';

/** Metrics on a clock that the test turns. */
function create(startMs = 5_000_000) {
  const clock = { nowMs: startMs };
  const active = { producers: 0, consumers: 0 };
  const metrics = new ProxyMetrics({
    activeProducers: () => active.producers,
    activeConsumers: () => active.consumers,
    unreadBytes: () => 77,
    nowMs: () => clock.nowMs,
  });
  return { metrics, clock, active };
}

describe('ProxyMetrics', () => {
  it('has every published name from the start', () => {
    const { memory_usage_mb, ...rest } = create().metrics.snapshot();
    expect(memory_usage_mb).toBeGreaterThan(1);
    expect(rest).toEqual({
      active_connections: 0,
      total_connections: 0,
      refused_connections: 0,
      active_producers: 0,
      active_consumers: 0,
      messages_sent: 0,
      messages_received: 0,
      messages_per_second: 0,
      avg_response_time_ms: 0,
      error_count: 0,
      goroutine_count: 0,
      channel_full_events: 0,
    });
  });

  it('counts connections, messages, pauses, errors, and asks for sessions', () => {
    const { metrics, active } = create();
    metrics.connectionOpened();
    metrics.connectionOpened();
    metrics.connectionClosed();
    metrics.connectionRefused();
    metrics.messageSent();
    metrics.messageReceived(32);
    metrics.streamPaused();
    metrics.error();
    active.producers = 3;
    active.consumers = 4;
    expect(metrics.snapshot()).toMatchObject({
      active_connections: 1,
      total_connections: 2,
      refused_connections: 1,
      messages_sent: 1,
      messages_received: 32,
      channel_full_events: 1,
      error_count: 1,
      active_producers: 3,
      active_consumers: 4,
    });
  });

  it('counts a call as pending until it ends, once, and as an error when it failed', () => {
    const { metrics } = create();
    const first = metrics.callStarted();
    const second = metrics.callStarted('stream');
    expect(metrics.snapshot().goroutine_count).toBe(2);
    first(false);
    first(true);
    expect(metrics.snapshot()).toMatchObject({ goroutine_count: 1, error_count: 0 });
    second(true);
    expect(metrics.snapshot()).toMatchObject({ goroutine_count: 0, error_count: 1 });
  });

  // At 0 as well: the monotonic clock starts there.
  it.each([0, 5_000_000])('tells the messages of the last whole second, from %d ms on', (startMs) => {
    const { metrics, clock } = create(startMs);
    metrics.messageSent(10);
    clock.nowMs += 999;
    metrics.messageReceived(5);
    expect(metrics.snapshot().messages_per_second).toBe(0);
    clock.nowMs += 1;
    metrics.messageSent(3);
    expect(metrics.snapshot().messages_per_second).toBe(15);
    clock.nowMs += 1000;
    expect(metrics.snapshot().messages_per_second).toBe(3);
    clock.nowMs += 1000;
    expect(metrics.snapshot().messages_per_second).toBe(0);
    // The same place in the window, one round later.
    clock.nowMs += 57_000;
    metrics.messageSent(1);
    clock.nowMs += 1000;
    expect(metrics.snapshot().messages_per_second).toBe(1);
  });

  it('means the response times of the last 60 seconds, without streams', () => {
    const { metrics, clock } = create();
    const took = (durationMs: number, kind?: 'stream') => {
      const ended = metrics.callStarted(kind);
      clock.nowMs += durationMs;
      ended(false);
    };
    took(10);
    took(20.5);
    took(400, 'stream');
    expect(metrics.snapshot().avg_response_time_ms).toBe(15.25);
    clock.nowMs = 5_059_999;
    expect(metrics.snapshot().avg_response_time_ms).toBe(15.25);
    clock.nowMs = 5_060_000;
    expect(metrics.snapshot().avg_response_time_ms).toBe(0);
    took(7);
    expect(metrics.snapshot().avg_response_time_ms).toBe(7);
  });

  it('says the same to Prometheus, twice', async () => {
    const { metrics, clock, active } = create();
    metrics.connectionOpened();
    metrics.messageSent(2);
    metrics.messageReceived(3);
    metrics.streamPaused();
    metrics.streamStalled();
    active.consumers = 6;
    const ended = metrics.callStarted();
    clock.nowMs += 30;
    ended(true);
    metrics.callStarted();
    await metrics.prometheusText();
    const text = await metrics.prometheusText();
    for (const line of [
      '# TYPE rocketmq_proxy_messages_sent_total counter',
      'rocketmq_proxy_active_connections 1',
      'rocketmq_proxy_connections_total 1',
      'rocketmq_proxy_refused_connections_total 0',
      'rocketmq_proxy_active_producers 0',
      'rocketmq_proxy_active_consumers 6',
      'rocketmq_proxy_messages_sent_total 2',
      'rocketmq_proxy_messages_received_total 3',
      'rocketmq_proxy_errors_total 1',
      'rocketmq_proxy_pending_calls 1',
      'rocketmq_proxy_stream_pauses_total 1',
      'rocketmq_proxy_stalled_streams_total 1',
      'rocketmq_proxy_unread_bytes 77',
      'rocketmq_proxy_response_time_seconds_bucket{le="0.025"} 0',
      'rocketmq_proxy_response_time_seconds_bucket{le="0.05"} 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect(metrics.prometheusContentType).toContain('text/plain');
  });

  it('shares nothing with a second one', async () => {
    const one = create().metrics;
    const other = create().metrics;
    one.messageSent();
    expect(await one.prometheusText()).toContain('rocketmq_proxy_messages_sent_total 1\n');
    expect(await other.prometheusText()).toContain('rocketmq_proxy_messages_sent_total 0\n');
  });
});
