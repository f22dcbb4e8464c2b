import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyClient } from './grpc-client.ts';
import type { MessageStream } from './message-stream.ts';

/** How long a receiver works on a message, in ms. */
const workMs = 30;
/** How often its streams and the clock are looked at, in ms. */
const tickMs = 10;
const clientCount = 4;

/** What became of one message, in ms on one clock. */
interface Trace {
  readonly deliveredMs: number[];
  acknowledgedMs: number | undefined;
}

/** What was seen of a run. */
export interface LoadVerdict {
  readonly sentCount: number;
  readonly lost: readonly string[];
  readonly duplicateCount: number;
  /** Came again although acknowledged, and no instance was killed between its delivery and its ack. */
  readonly unexpectedDuplicates: readonly string[];
}

/**
 * Sends, receives and acknowledges by several clients of one address, each with a connection of its own, so that acks arrive at other
 * instances than their streams. Streams that end are begun again; calls are not.
 */
export class InstanceLoad {
  readonly #clients: readonly ProxyClient[];
  readonly #perSecond: number;
  readonly #traces = new Map<string, Trace>();
  /** Calls that failed. */
  readonly failures: string[] = [];
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
    const isUnexpected = ({ deliveredMs, acknowledgedMs }: Trace): boolean => {
      const [firstMs = 0, ...again] = deliveredMs;
      const wasKilled = this.#killsMs.some((killMs) => killMs >= firstMs && killMs <= (acknowledgedMs ?? 0));
      return acknowledgedMs !== undefined && !wasKilled && again.some((atMs) => atMs > acknowledgedMs);
    };
    const again = traces.filter(([, { deliveredMs }]) => deliveredMs.length > 1);
    return {
      sentCount: traces.length,
      lost: traces.filter(([, { deliveredMs }]) => deliveredMs.length === 0).map(([id]) => id),
      duplicateCount: again.length,
      unexpectedDuplicates: again.filter(([, trace]) => isUnexpected(trace)).map(([id]) => id),
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
    try {
      await this.#client().send('SendMessage', { producer_id: this.#ids.producerId, message_body: id });
      this.#traceOf(id);
    } catch (error) {
      this.failures.push(`send: ${String(error)}`);
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
    try {
      await this.#client().ack(this.#ids.consumerId, { receipt_handle });
      trace.acknowledgedMs ??= performance.now();
    } catch (error) {
      this.failures.push(`ack: ${String(error)}`);
    }
  }
}
