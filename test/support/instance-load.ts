import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyClient } from './grpc-client.ts';
import type { MessageStream } from './message-stream.ts';

/** How long a receiver works on a message, in ms. */
const workMs = 30;
/** How often its streams and the clock are looked at, in ms. */
const tickMs = 10;
const clientCount = 4;

/** How long after a kill a connection to what was killed may still take a call, in ms. */
const unnoticedMs = 2_000;

/** What became of one message, in ms on one clock. */
interface Trace {
  readonly deliveredMs: number[];
  acknowledgedMs: number | undefined;
}

interface FailedCall {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What was seen of a run. */
export interface LoadVerdict {
  readonly sentCount: number;
  readonly lost: readonly string[];
  readonly duplicateCount: number;
  /** Came again although acknowledged, and no instance was killed between its delivery and its ack; each with its times. */
  readonly unexpectedDuplicates: readonly string[];
  readonly failureCount: number;
  /** Calls that failed though no instance was killed while they were under way, nor shortly before. */
  readonly unexpectedFailures: readonly string[];
}

/**
 * Sends, receives and acknowledges by several clients of one address, each with a connection of its own, so that acks arrive at other
 * instances than their streams. Streams that end are begun again; calls are not.
 */
export class InstanceLoad {
  readonly #clients: readonly ProxyClient[];
  readonly #perSecond: number;
  readonly #traces = new Map<string, Trace>();
  readonly #failures: FailedCall[] = [];
  readonly #killsMs: number[] = [];
  readonly #streams = new Set<MessageStream>();
  readonly #work = new Set<Promise<void>>();
  #sending = true;
  #receiving = true;
  #callCount = 0;
  #ids = { producerId: '', consumerId: '' };

  private constructor(address: string, perSecond: number) {
    this.#clients = Array.from({ length: clientCount }, () => new ProxyClient(address));
    this.#perSecond = perSecond;
  }

  static async start(address: string, topic: string, perSecond: number): Promise<InstanceLoad> {
    const load = new InstanceLoad(address, perSecond);
    const client = load.#client();
    load.#ids = {
      producerId: await client.createProducer(topic),
      consumerId: await client.createConsumer(topic, `${topic}-group`),
    };
    load.#track(load.#sendAll());
    for (const each of load.#clients.slice(0, 2)) load.#track(load.#receive(each));
    return load;
  }

  /** Of the producer that all sends are made by. */
  get producerId(): string {
    return this.#ids.producerId;
  }

  get callCount(): number {
    return this.#callCount;
  }

  /** To be called when an instance is killed: what it had handed out may come again. */
  killed(): void {
    this.#killsMs.push(performance.now());
  }

  /** Sends no more, and waits until all that was sent is acknowledged, at most so long. */
  async stop(withinMs: number): Promise<LoadVerdict> {
    this.#sending = false;
    const endMs = performance.now() + withinMs;
    const isDone = (): boolean =>
      [...this.#traces.values()].every(({ acknowledgedMs }) => acknowledgedMs !== undefined);
    while (!isDone() && performance.now() < endMs) await sleep(tickMs);
    this.#receiving = false;
    for (const stream of this.#streams) stream.cancel();
    await Promise.all(this.#work);
    for (const client of this.#clients) client.close();
    return this.#judge();
  }

  #judge(): LoadVerdict {
    const traces = [...this.#traces];
    const wasKilled = (fromMs: number, toMs: number): boolean =>
      this.#killsMs.some((killMs) => killMs >= fromMs && killMs <= toMs);
    const isUnexpected = ({ deliveredMs, acknowledgedMs }: Trace): boolean => {
      const [firstMs = 0, ...again] = deliveredMs;
      if (acknowledgedMs === undefined || wasKilled(firstMs, acknowledgedMs)) return false;
      return again.some((atMs) => atMs > acknowledgedMs);
    };
    const failures = this.#failures.filter(({ startMs, endMs }) => !wasKilled(startMs - unnoticedMs, endMs));
    const again = traces.filter(([, { deliveredMs }]) => deliveredMs.length > 1);
    return {
      sentCount: traces.length,
      lost: traces.filter(([, { deliveredMs }]) => deliveredMs.length === 0).map(([id]) => id),
      duplicateCount: again.length,
      unexpectedDuplicates: again.filter(([, trace]) => isUnexpected(trace)).map((each) => JSON.stringify(each)),
      failureCount: this.#failures.length,
      unexpectedFailures: failures.map(({ text, startMs, endMs }) => `${startMs} to ${endMs}: ${text}`),
    };
  }

  #client(): ProxyClient {
    this.#callCount += 1;
    const client = this.#clients[this.#callCount % clientCount];
    if (client === undefined) throw new Error('there are clients');
    return client;
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #sendAll(): Promise<void> {
    const startMs = performance.now();
    for (let count = 0; this.#sending; await sleep(tickMs)) {
      for (; count < ((performance.now() - startMs) / 1_000) * this.#perSecond; count += 1)
        this.#track(this.#send(`m${count}`));
    }
  }

  async #send(id: string): Promise<void> {
    const { producerId } = this.#ids;
    const sent = await this.#call('send', (client) =>
      client.send('SendMessage', { producer_id: producerId, message_body: id }),
    );
    if (sent) this.#traceOf(id);
  }

  /** Whether it succeeded. */
  async #call(name: string, call: (client: ProxyClient) => Promise<unknown>): Promise<boolean> {
    const startMs = performance.now();
    try {
      await call(this.#client());
      return true;
    } catch (error) {
      this.#failures.push({ text: `${name}: ${String(error)}`, startMs, endMs: performance.now() });
      return false;
    }
  }

  #traceOf(id: string): Trace {
    const trace = this.#traces.get(id) ?? { deliveredMs: [], acknowledgedMs: undefined };
    this.#traces.set(id, trace);
    return trace;
  }

  async #receive(client: ProxyClient): Promise<void> {
    while (this.#receiving) {
      const stream = client.receive(this.#ids.consumerId);
      this.#streams.add(stream);
      for (let count = 0; stream.isOpen || count < stream.messages.length; await sleep(tickMs)) {
        for (const message of stream.messages.slice(count)) this.#track(this.#handle(message));
        count = stream.messages.length;
      }
      this.#streams.delete(stream);
      await sleep(tickMs);
    }
  }

  async #handle({
    message_body: id,
    receipt_handle,
  }: {
    readonly message_body: string;
    readonly receipt_handle: string;
  }) {
    const trace = this.#traceOf(id);
    trace.deliveredMs.push(performance.now());
    await sleep(workMs);
    const acknowledged = await this.#call('ack', (client) => client.ack(this.#ids.consumerId, { receipt_handle }));
    if (acknowledged) trace.acknowledgedMs ??= performance.now();
  }
}
