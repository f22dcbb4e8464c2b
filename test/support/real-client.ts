import { ClusterClient } from '../../src/client/client.ts';
import type { Consumer, ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import { type ClientOptions, type ConsumeMode, clientDefaults } from '../../src/client/options.ts';
import { isPullClaim } from '../../src/client/receipt.ts';
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

/** The receipt of a message that was popped. @throws Error where it was pulled. */
export function popReceiptOf({ receipt }: ReceivedMessage): PopReceipt {
  if (isPullClaim(receipt)) throw new Error('the message came by pull');
  return receipt;
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

/** What a reader does, besides what every consumer is told. */
export interface ReaderOptions extends Partial<ConsumerOptions> {
  /** Each message is acknowledged as it comes. Default true. */
  readonly ack?: boolean;
  /** Default 1,000. */
  readonly messagesMax?: number;
  /** Told where a test waits in vain. */
  readonly log?: MemoryLog;
  /** A tag expression. Default: all. */
  readonly tags?: string;
  /** Default: as its client. */
  readonly mode?: ConsumeMode;
  /** Called with each message before the next one is asked for. */
  readonly onMessage?: (message: ReceivedMessage, consumer: Consumer) => Promise<void>;
}

/** Reads a stream all the time, and lets a test wait for what came. */
export class Reader {
  readonly consumer: Consumer;
  readonly messages: ReceivedMessage[] = [];
  /** When each message came, by the wall clock in ms. */
  readonly receivedAtMs: number[] = [];
  /** Bodies of what was acknowledged here, as they came. */
  readonly acknowledged: string[] = [];
  /** Why acks failed that were made here. */
  readonly ackFailures: unknown[] = [];
  readonly #ending = new AbortController();
  readonly #waiting = new Set<() => void>();
  #ended: Promise<void> = Promise.resolve();

  readonly #log: MemoryLog | undefined;

  private constructor(consumer: Consumer, log: MemoryLog | undefined) {
    this.consumer = consumer;
    this.#log = log;
  }

  /** Opens a consumer and reads from it. */
  static async open(
    client: ClusterClient,
    subscriber: ConsumerOptions['subscriber'],
    options: ReaderOptions = {},
  ): Promise<Reader> {
    const { ack: _, messagesMax: __, onMessage: ___, tags = '*', mode, log, ...changes } = options;
    const durations = { invisibleDurationMs: 30_000, renewalDurationMs: 0, pollDurationMs: 1_000 };
    const consumer = client.consumer({ subscriber, filter: parseTagFilter(tags), ...durations, ...changes }, mode);
    await consumer.open(soon());
    const reader = new Reader(consumer, log);
    reader.#ended = reader.#read(options);
    return reader;
  }

  get bodies(): string[] {
    return this.messages.map(({ body }) => body.toString());
  }

  /** The first message with this body. @throws Error where none has come. */
  message(body: string): ReceivedMessage {
    const found = this.messages.find((message) => message.body.toString() === body);
    if (found === undefined) throw new Error(`${body} has not come`);
    return found;
  }

  /** Waits until so many messages have come in all. */
  async count(count: number): Promise<readonly ReceivedMessage[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages;
  }

  /** Waits for a message, the first one to come being 0. */
  async nth(index: number): Promise<ReceivedMessage> {
    const message = (await this.count(index + 1))[index];
    if (message === undefined) throw new Error('it was counted and is not there');
    return message;
  }

  /**
   * Waits for something that changes when a message comes, or is acknowledged here.
   * @throws Error after 100 s, with what has come and what the client had trouble with.
   */
  async until(happened: () => boolean): Promise<void> {
    const late = AbortSignal.timeout(100_000);
    while (!happened()) {
      await Promise.race([
        this.#ended.then(() => {
          throw new Error('the stream has ended');
        }),
        new Promise<void>((resolve, reject) => {
          this.#waiting.add(resolve);
          late.onabort = () => reject(new Error(this.#story()));
        }),
      ]);
    }
  }

  #story(): string {
    const lines = JSON.stringify(this.#log?.lines.slice(-20));
    return `waited in vain; ${this.messages.length} have come: ${this.bodies.slice(-60).join(', ')}; ${lines}`;
  }

  /** Ends the stream, and waits until what it left is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
    await this.consumer.close();
  }

  async #read({ messagesMax = 1_000, ack = true, onMessage }: ReaderOptions): Promise<void> {
    for await (const message of this.consumer.stream({ messagesMax, signal: this.#ending.signal })) {
      this.messages.push(message);
      this.receivedAtMs.push(Date.now());
      this.#wake();
      await onMessage?.(message, this.consumer);
      if (ack) await this.#ack(message);
    }
  }

  async #ack({ body, receipt }: ReceivedMessage): Promise<void> {
    try {
      await this.consumer.ack(receipt, soon());
      this.acknowledged.push(body.toString());
      this.#wake();
    } catch (error) {
      this.ackFailures.push(error);
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
