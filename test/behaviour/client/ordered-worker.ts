import type { ClusterClient } from '../../../src/client/client.ts';
import type { Consumer, ConsumerOptions } from '../../../src/client/consumer.ts';
import { parseTagFilter } from '../../../src/client/message-filter.ts';
import type { ConsumeMode } from '../../../src/client/options.ts';
import { isPullClaim } from '../../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { soon } from '../../support/real-client.ts';

/** What happened to the messages of all workers; their bodies are `key number`. */
export class Journal {
  /** The broker has, or may have, the acknowledgement. */
  readonly done = new Set<string>();
  /** Its acknowledgement was answered. */
  readonly acknowledged = new Set<string>();
  /** Messages that came while one before them of the same key was not acknowledged. */
  readonly overtakings: string[] = [];
  nackCount = 0;
  #wake: () => void = () => {};

  delivered(body: string): void {
    const [key = '', number = ''] = body.split(' ');
    for (let before = 0; before < Number(number); before += 1) {
      if (!this.done.has(`${key} ${before}`)) this.overtakings.push(`${body} came before ${before} was done`);
    }
  }

  acknowledge(body: string): void {
    this.acknowledged.add(body);
    this.#wake();
  }

  async until(happened: () => boolean): Promise<void> {
    while (!happened()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Works on several messages side by side, as they come; every seventh fails at its first delivery. */
export class OrderedWorker {
  readonly #consumer: Consumer;
  readonly #journal: Journal;
  readonly #ending = new AbortController();
  readonly #reading: Promise<void>;
  #isHanging = false;
  /** Whether what came to it came by pull. */
  hasPulled = false;

  static async start(
    client: ClusterClient,
    subscriber: ConsumerOptions['subscriber'],
    { mode, journal }: { readonly mode: ConsumeMode; readonly journal: Journal },
  ): Promise<OrderedWorker> {
    const filter = parseTagFilter('*');
    const durations = { invisibleDurationMs: 4_000, renewalDurationMs: 0, pollDurationMs: 5_000 };
    const consumer = client.consumer({ subscriber, filter, ...durations, orderly: true }, mode);
    await consumer.open(soon());
    return new OrderedWorker(consumer, journal);
  }

  private constructor(consumer: Consumer, journal: Journal) {
    this.#consumer = consumer;
    this.#journal = journal;
    this.#reading = this.#read();
  }

  /** As if its process had ended: what it has is neither acknowledged nor given back. */
  hang(): void {
    this.#isHanging = true;
  }

  async leave(): Promise<void> {
    this.#ending.abort();
    await this.#reading;
    await this.#consumer.close();
  }

  async #read(): Promise<void> {
    for await (const message of this.#consumer.stream({ messagesMax: 100, signal: this.#ending.signal })) {
      this.hasPulled = isPullClaim(message.receipt);
      // To leave the loop would end the stream, which gives back.
      if (this.#isHanging) await new Promise(() => {});
      // One that fails is late; it comes again.
      void this.#work(message).catch(() => {});
    }
  }

  async #work({ body, receipt, reconsumeTimes }: ReceivedMessage): Promise<void> {
    const text = body.toString();
    this.#journal.delivered(text);
    await new Promise((resolve) => setTimeout(resolve, Number(receipt.queueOffset % 4n) * 5));
    if (this.#isHanging) return;
    if (reconsumeTimes === 0 && receipt.queueOffset % 7n === 0n) {
      this.#journal.nackCount += 1;
      await this.#consumer.nack(receipt, Number(receipt.queueOffset % 3n) * 100, soon());
      return;
    }
    // It counts from when the broker has it, which may be before the answer is here.
    this.#journal.done.add(text);
    try {
      await this.#consumer.ack(receipt, soon());
      this.#journal.acknowledge(text);
    } catch (error) {
      this.#journal.done.delete(text);
      throw error;
    }
  }
}
