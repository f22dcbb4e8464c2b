/** What the test's web page does: it is bundled with the client, and tests call it by name. */
import {
  createWebClient,
  MQError,
  type WebClientOptions,
  type WebConsumer,
  type WebMessage,
} from '../../src/web/web.ts';

/** An error as it comes out of the page. */
export interface Told {
  readonly code: string;
  readonly reason: string | undefined;
  readonly retryable: boolean;
  readonly message: string;
}

/** What a page has received so far. */
export interface Received {
  readonly count: number;
  /** Different bodies. */
  readonly bodyCount: number;
  /** How often a message came that said to have been delivered before. */
  readonly repeatedCount: number;
  readonly ackedCount: number;
  /** Codes that streams ended with. */
  readonly resumed: string[];
  /** Whether the loop has been left. */
  readonly isOver: boolean;
  readonly error: Told | undefined;
}

function told(error: unknown): Told {
  if (!(error instanceof MQError))
    return { code: 'NOT AN MQError', reason: undefined, retryable: false, message: String(error) };
  const { code, reason, retryable, message } = error;
  return { code, reason, retryable, message };
}

/** What `receive` has begun, by its name. */
const receivers = new Map<string, { received: Received; readonly stop: () => void }>();

interface ReceiveOptions {
  /** Under which name `received` and `stop` know it. */
  readonly name: string;
  readonly topic: string;
  readonly group: string;
  /** Leaves the loop behind so many messages. Default: never. */
  readonly countMax?: number;
  /** Default: true. */
  readonly acks?: boolean;
}

/** What fails comes again. */
async function ack(consumer: WebConsumer, message: WebMessage, received: { ackedCount: number }): Promise<void> {
  try {
    await consumer.ack(message);
    received.ackedCount += 1;
  } catch (error) {
    if (!(error instanceof MQError)) throw error;
  }
}

async function receive(consumer: WebConsumer, { name, countMax, acks = true }: ReceiveOptions, resumed: string[]) {
  const stopping = new AbortController();
  const bodies = new Set<string>();
  const received = {
    count: 0,
    bodyCount: 0,
    repeatedCount: 0,
    ackedCount: 0,
    resumed,
    isOver: false,
    error: undefined as Told | undefined,
  };
  receivers.set(name, { received, stop: () => stopping.abort() });
  const acked: Promise<void>[] = [];
  try {
    for await (const message of consumer.messages({ signal: stopping.signal })) {
      received.count += 1;
      received.bodyCount = bodies.add(message.body).size;
      if (message.reconsumeTimes > 0) received.repeatedCount += 1;
      // What fails comes again.
      if (acks) acked.push(ack(consumer, message, received));
      if (received.count === countMax) break;
    }
  } catch (error) {
    received.error = told(error);
  }
  await Promise.all(acked);
  received.isOver = true;
}

/** What tests call. All that goes in and comes out is JSON. */
const scenarios = {
  /** Sends `${prefix}0`, `${prefix}1` … */
  async publishAll(options: WebClientOptions, topic: string, prefix: string, count: number): Promise<number> {
    const messages = Array.from({ length: count }, (_, index) => ({ body: `${prefix}${index}` }));
    const stored = await createWebClient(options).producer(topic).publishAll(messages, { timeoutMs: 120_000 });
    return new Set(stored.map(({ messageId }) => messageId)).size;
  },

  async publish(options: WebClientOptions, topic: string, body: string): Promise<Told | 'stored'> {
    try {
      await createWebClient(options)
        .producer(topic)
        .publish(body, { properties: { shop: 'north' }, tag: 'new' });
      return 'stored';
    } catch (error) {
      return told(error);
    }
  },

  /** Sends a body of bytes. @returns the bytes that come back, and as what tag and properties. */
  async echo(options: WebClientOptions, topic: string, bytes: readonly number[]) {
    const client = createWebClient(options);
    const consumer = client.consumer(topic, 'echo', { consumeFrom: 'first' });
    await client.producer(topic).publish(new Uint8Array(bytes), { tag: 'raw', properties: { shop: 'nörd' } });
    for await (const message of consumer) {
      await consumer.ack(message);
      await client.close();
      return { bytes: [...message.binaryBody], tag: message.tag, shop: message.properties['shop'] };
    }
    return undefined;
  },

  /** Begins to receive from the first message on; `received` tells how it goes. */
  receive(options: WebClientOptions, receiving: ReceiveOptions): void {
    const resumed: string[] = [];
    const consumer = createWebClient(options).consumer(receiving.topic, receiving.group, {
      consumeFrom: 'first',
      messagesMax: 1_000,
      // Longer than any test: what comes again was given back.
      invisibleDurationMs: 600_000,
      onResume: ({ code }) => resumed.push(code),
    });
    void receive(consumer, receiving, resumed);
  },

  /** Ten consumers of one topic, each of a group of its own; leaves each loop behind its first message. @returns the bodies. */
  async receiveSideBySide(options: WebClientOptions, topic: string, body: string): Promise<string[]> {
    const client = createWebClient(options);
    const consumers = Array.from({ length: 10 }, (_, index) =>
      client.consumer(topic, `side-${index}`, { consumeFrom: 'first' }),
    );
    const first = async (consumer: WebConsumer): Promise<string> => {
      for await (const message of consumer) {
        await consumer.ack(message);
        return message.body;
      }
      return 'none';
    };
    const bodies = consumers.map(first);
    await client.producer(topic).publish(body);
    const received = await Promise.all(bodies);
    await client.close();
    return received;
  },

  received(name: string): Received | undefined {
    return receivers.get(name)?.received;
  },

  /** Aborts the signal of the loop. */
  stop(name: string): void {
    receivers.get(name)?.stop();
  },
};

/** What tests call, by name. */
export type Scenarios = typeof scenarios;

Object.assign(globalThis, { scenarios });
