import { ClusterClient } from '../../src/client/client.ts';
import type { ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import { type ClientOptions, clientDefaults } from '../../src/client/options.ts';
import type { PopConsumer } from '../../src/client/pop/pop-consumer.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { OutgoingMessage } from '../../src/client/send/outgoing-message.ts';
import type { TransactionChecker } from '../../src/client/send/transactions.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';
import type { Credentials } from '../../src/remoting/signature.ts';
import { MemoryLog } from './scripted-cluster.ts';

export const soon = (): Deadline => Deadline.after(30_000);

/** A message of this topic and body, to be delivered at once. */
export function outgoing(
  topic: string,
  body: string | Uint8Array,
  more: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  return { topic, body: typeof body === 'string' ? Buffer.from(body) : body, delivery: { kind: 'now' }, ...more };
}

/** Waits until so many messages have come to all of the readers together. */
export async function countOf(readers: readonly Reader[], count: number): Promise<void> {
  const isThere = (): boolean => readers.reduce((sum, { messages }) => sum + messages.length, 0) >= count;
  await Promise.race(readers.map((reader) => reader.until(isThere)));
}

/** Clients of one test file, all closed by `close`. */
export class RealClients {
  readonly log = new MemoryLog();
  readonly #nameServer: string;
  readonly #credentials: Credentials | undefined;
  readonly #clients: ClusterClient[] = [];

  /** @param credentials of all clients that are told no others. */
  constructor(nameServer: string, credentials?: Credentials) {
    this.#nameServer = nameServer;
    this.#credentials = credentials;
  }

  create(changes: Partial<ClientOptions> = {}, checker?: TransactionChecker): ClusterClient {
    const credentials = this.#credentials;
    const options = { ...clientDefaults, nameServers: [this.#nameServer], credentials, log: this.log, ...changes };
    const client = new ClusterClient(options, checker);
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

/** Reads a stream all the time, and lets a test wait for what came. */
export class Reader {
  readonly consumer: PopConsumer;
  readonly messages: ReceivedMessage<PopReceipt>[] = [];
  /** When each message came, by the wall clock in ms. */
  readonly receivedAtMs: number[] = [];
  /** Why acks failed that were made here. */
  readonly ackFailures: unknown[] = [];
  readonly #ending = new AbortController();
  readonly #waiting = new Set<() => void>();
  #ended: Promise<void> = Promise.resolve();

  private constructor(consumer: PopConsumer) {
    this.consumer = consumer;
  }

  /** Opens a consumer and reads from it. With `ack` each message is acknowledged as it comes. */
  static async open(
    client: ClusterClient,
    subscriber: ConsumerOptions['subscriber'],
    options: Partial<ConsumerOptions> & { ack?: boolean; messagesMax?: number; tags?: string } = {},
  ): Promise<Reader> {
    const { ack = true, messagesMax = 1_000, tags = '*', ...changes } = options;
    const consumer = client.popConsumer({
      subscriber,
      filter: parseTagFilter(tags),
      invisibleDurationMs: 30_000,
      renewalDurationMs: 0,
      pollDurationMs: 1_000,
      ...changes,
    });
    await consumer.open(soon());
    const reader = new Reader(consumer);
    reader.#ended = reader.#read(messagesMax, ack);
    return reader;
  }

  get bodies(): string[] {
    return this.messages.map(({ body }) => body.toString());
  }

  /** Waits until so many messages have come in all. */
  async count(count: number): Promise<readonly ReceivedMessage<PopReceipt>[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages;
  }

  /** Waits for something that changes when a message comes. */
  async until(happened: () => boolean): Promise<void> {
    while (!happened()) {
      await Promise.race([
        this.#ended.then(() => {
          throw new Error('the stream has ended');
        }),
        new Promise<void>((resolve) => this.#waiting.add(resolve)),
      ]);
    }
  }

  /** Ends the stream, and waits until what it left is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
    await this.consumer.close();
  }

  async #read(messagesMax: number, ack: boolean): Promise<void> {
    for await (const message of this.consumer.stream({ messagesMax, signal: this.#ending.signal })) {
      this.messages.push(message);
      this.receivedAtMs.push(Date.now());
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
      if (ack) await this.consumer.ack(message.receipt, soon()).catch((error: unknown) => this.ackFailures.push(error));
    }
  }
}
