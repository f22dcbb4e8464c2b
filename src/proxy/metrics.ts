import { type Aggregator, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the metrics look at but do not count themselves. */
export interface ProxyMetricsOptions {
  /** Producers that are in use now. */
  readonly activeProducers: () => number;
  /** Consumers that are in use now. */
  readonly activeConsumers: () => number;
  /** Bytes of messages that were taken from brokers and are not read. Default: none. */
  readonly unreadBytes?: () => number;
  /** Milliseconds of a clock that never goes back. Default: the process's monotonic clock. */
  readonly nowMs?: () => number;
}

/** The JSON of `GET /metrics`: the names are those of the product that we replace. */
export interface MetricsSnapshot {
  readonly active_connections: number;
  readonly total_connections: number;
  /** Connections closed at once because there were too many. */
  readonly refused_connections: number;
  readonly active_producers: number;
  readonly active_consumers: number;
  readonly messages_sent: number;
  readonly messages_received: number;
  /** Messages sent and received in the last whole second. */
  readonly messages_per_second: number;
  /** Mean over the calls that ended in the last 60 seconds; 0 when there were none. */
  readonly avg_response_time_ms: number;
  readonly error_count: number;
  /** Calls in progress: what goroutines were for the product that we replace. */
  readonly goroutine_count: number;
  /** Resident memory of the process in MiB. */
  readonly memory_usage_mb: number;
  /** Times a slow stream paused its poll. */
  readonly channel_full_events: number;
}

const windowSeconds = 60;

/** Upper bounds of the response time histogram, in seconds: from a send in memory to a long poll. */
const responseTimeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * Counts what the proxy does. Counting is a few additions and no timer; Prometheus's own objects are filled when they are asked for.
 */
export class ProxyMetrics {
  readonly #options: ProxyMetricsOptions;
  readonly #nowMs: () => number;
  readonly #messages = new SecondsWindow();
  readonly #responseTimes = new SecondsWindow();
  readonly #registry = new Registry();
  readonly #responseTimeHistogram: Histogram;
  #activeConnections = 0;
  #totalConnections = 0;
  #refusedConnections = 0;
  #messagesSent = 0;
  #messagesReceived = 0;
  #errors = 0;
  #pendingCalls = 0;
  #streamPauses = 0;
  #stalledStreams = 0;

  constructor(options: ProxyMetricsOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#responseTimeHistogram = new Histogram({
      name: 'rocketmq_proxy_response_time_seconds',
      help: 'Time from the start of a call to its end.',
      buckets: responseTimeBuckets,
      registers: [this.#registry],
    });
    this.#register();
  }

  connectionOpened(): void {
    this.#activeConnections += 1;
    this.#totalConnections += 1;
  }

  connectionClosed(): void {
    this.#activeConnections -= 1;
  }

  /** A connection was closed at once because there were too many. */
  connectionRefused(): void {
    this.#refusedConnections += 1;
  }

  /** Messages that a broker has stored. */
  messageSent(count = 1): void {
    this.#messagesSent += count;
    this.#messages.record(this.#nowMs(), 0, count);
  }

  /** Messages handed to a receiver. */
  messageReceived(count = 1): void {
    this.#messagesReceived += count;
    this.#messages.record(this.#nowMs(), 0, count);
  }

  /**
   * A call began. A stream counts as in progress, but its length is no response time.
   * @returns to be called once when it ends; a failed call counts as an error too. Later calls of it change nothing.
   */
  callStarted(kind: 'unary' | 'stream' = 'unary'): (failed: boolean) => void {
    const startedMs = this.#nowMs();
    this.#pendingCalls += 1;
    let ended = false;
    return (failed) => {
      if (ended) return;
      ended = true;
      this.#pendingCalls -= 1;
      if (kind === 'unary') this.#responded(startedMs);
      if (failed) this.error();
    };
  }

  /** Something failed that is not a call which `callStarted` counts. */
  error(count = 1): void {
    this.#errors += count;
  }

  /** A stream stopped its poll because its reader is slow. */
  streamPaused(): void {
    this.#streamPauses += 1;
  }

  /** A stream was ended because its reader stood still. */
  streamStalled(): void {
    this.#stalledStreams += 1;
  }

  snapshot(): MetricsSnapshot {
    const second = secondOf(this.#nowMs());
    const responses = this.#responseTimes.total(second - windowSeconds + 1, second);
    return {
      active_connections: this.#activeConnections,
      total_connections: this.#totalConnections,
      refused_connections: this.#refusedConnections,
      active_producers: this.#options.activeProducers(),
      active_consumers: this.#options.activeConsumers(),
      messages_sent: this.#messagesSent,
      messages_received: this.#messagesReceived,
      messages_per_second: this.#messages.total(second - 1, second - 1).count,
      avg_response_time_ms: responses.count === 0 ? 0 : round(responses.sum / responses.count, 1000),
      error_count: this.#errors,
      goroutine_count: this.#pendingCalls,
      memory_usage_mb: round(process.memoryUsage.rss() / 2 ** 20, 10),
      channel_full_events: this.#streamPauses,
    };
  }

  /** Calls that ended in the last 60 seconds. */
  get responseCount(): number {
    const second = secondOf(this.#nowMs());
    return this.#responseTimes.total(second - windowSeconds + 1, second).count;
  }

  /** What `prometheusText` is made of, for who adds up several processes. */
  prometheusParts() {
    return this.#registry.getMetricsAsJSON();
  }

  /** All of it in Prometheus's text format, with figures of the process. */
  prometheusText(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Content type of `prometheusText`. */
  get prometheusContentType(): string {
    return this.#registry.contentType;
  }

  #responded(startedMs: number): void {
    const nowMs = this.#nowMs();
    this.#responseTimes.record(nowMs, nowMs - startedMs, 1);
    this.#responseTimeHistogram.observe((nowMs - startedMs) / 1000);
  }

  /** prom-client's own process metrics keep a 10 ms timer that nobody can stop, so the figures of the process are gauges here. */
  #register(): void {
    this.#gauge('rocketmq_proxy_active_connections', 'Open client connections.', () => this.#activeConnections);
    this.#counter('rocketmq_proxy_connections_total', 'Client connections accepted.', () => this.#totalConnections);
    this.#counter(
      'rocketmq_proxy_refused_connections_total',
      'Client connections closed at once: too many.',
      () => this.#refusedConnections,
    );
    this.#gauge('rocketmq_proxy_active_producers', 'Producers in use.', this.#options.activeProducers);
    this.#gauge('rocketmq_proxy_active_consumers', 'Consumers in use.', this.#options.activeConsumers);
    this.#counter('rocketmq_proxy_messages_sent_total', 'Messages stored by a broker.', () => this.#messagesSent);
    this.#counter(
      'rocketmq_proxy_messages_received_total',
      'Messages handed to a receiver.',
      () => this.#messagesReceived,
    );
    this.#counter('rocketmq_proxy_errors_total', 'Failed calls and other failures.', () => this.#errors);
    this.#gauge('rocketmq_proxy_pending_calls', 'Calls in progress.', () => this.#pendingCalls);
    this.#counter(
      'rocketmq_proxy_stream_pauses_total',
      'Times a slow stream paused its poll.',
      () => this.#streamPauses,
    );
    this.#gauge(
      'rocketmq_proxy_unread_bytes',
      'Bytes of messages that were taken from brokers, or may come, and are not read.',
      this.#options.unreadBytes ?? (() => 0),
    );
    this.#counter(
      'rocketmq_proxy_stalled_streams_total',
      'Streams that were ended because their readers stood still while others waited for memory.',
      () => this.#stalledStreams,
    );
    this.#counter('process_cpu_seconds_total', 'CPU time of the process.', cpuSeconds);
    this.#gauge('process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss());
    this.#gauge(
      'process_start_time_seconds',
      'Start of the process since the epoch.',
      () => performance.timeOrigin / 1000,
      'min',
    );
    this.#gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', () => process.memoryUsage().heapUsed);
    this.#gauge(
      'nodejs_eventloop_utilization',
      'Share of the time since start that the event loop was busy.',
      () => performance.eventLoopUtilization().utilization,
      'average',
    );
  }

  /** @param aggregator what several processes make of it together. */
  #gauge(name: string, help: string, read: () => number, aggregator: Aggregator = 'sum'): void {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  #counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}

/** Counts and sums of each of the last `windowSeconds`, the current one included. */
class SecondsWindow {
  readonly #seconds = new Float64Array(windowSeconds).fill(-1);
  readonly #counts = new Float64Array(windowSeconds);
  readonly #sums = new Float64Array(windowSeconds);

  record(nowMs: number, value: number, count: number): void {
    const second = secondOf(nowMs);
    const slot = second % windowSeconds;
    if (this.#seconds[slot] !== second) {
      this.#seconds[slot] = second;
      this.#counts[slot] = 0;
      this.#sums[slot] = 0;
    }
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count;
    this.#sums[slot] = (this.#sums[slot] ?? 0) + value;
  }

  /** What was recorded from one second to another, both included. */
  total(firstSecond: number, lastSecond: number): { readonly count: number; readonly sum: number } {
    const total = { count: 0, sum: 0 };
    this.#seconds.forEach((second, slot) => {
      if (second < firstSecond || second > lastSecond) return;
      total.count += this.#counts[slot] ?? 0;
      total.sum += this.#sums[slot] ?? 0;
    });
    return total;
  }
}

function secondOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function round(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
