import type { Consumer } from '../../src/client/consumer.ts';
import type { Receipt } from '../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import { Deadline } from '../../src/remoting/deadline.ts';

/** Reads a stream of an open consumer all the time, and lets a test wait for what came. */
export class StreamReader<R extends Receipt> {
  readonly consumer: Consumer<R>;
  readonly messages: ReceivedMessage<R>[] = [];
  /** When each message came, on the monotonic clock in ms. */
  readonly receivedAtMs: number[] = [];
  /** Why the stream ended, where it was not the test that ended it. */
  failure: unknown;
  readonly #ending = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #ended: Promise<void>;

  /** @param onMessage called with each message before the next one is asked for. */
  constructor(
    consumer: Consumer<R>,
    onMessage: (message: ReceivedMessage<R>) => Promise<void> = async () => {},
    messagesMax = 1_000,
  ) {
    this.consumer = consumer;
    this.#ended = this.#read(onMessage, messagesMax).catch((error: unknown) => {
      this.failure = error;
      this.#wake();
    });
  }

  /** A reader that acknowledges each message as it comes. */
  static acking<R extends Receipt>(consumer: Consumer<R>): StreamReader<R> {
    return new StreamReader(consumer, ({ receipt }) => consumer.ack(receipt, Deadline.after(10_000)));
  }

  get bodies(): string[] {
    return this.messages.map(({ body }) => body.toString());
  }

  /** Waits until so many messages have come in all. @throws the stream's failure. */
  async count(count: number): Promise<readonly ReceivedMessage<R>[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages;
  }

  /** Waits for something that changes when a message comes, or the stream fails. */
  async until(happened: () => boolean): Promise<void> {
    while (!happened()) {
      if (this.failure !== undefined) throw this.failure;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Ends the stream, and waits until what it left is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  async #read(onMessage: (message: ReceivedMessage<R>) => Promise<void>, messagesMax: number): Promise<void> {
    for await (const message of this.consumer.stream({ messagesMax, signal: this.#ending.signal })) {
      this.messages.push(message);
      this.receivedAtMs.push(performance.now());
      await onMessage(message);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
