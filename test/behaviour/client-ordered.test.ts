import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import type { PopConsumer } from '../../src/client/pop/pop-consumer.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';
import { type Config, quickRedelivery } from '../rocketmq/cluster.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target, targetName } from './target.ts';

const GET_MAX_OFFSET = 30;
const UPDATE_AND_CREATE_SUBSCRIPTION_GROUP = 200;
const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** RocketMQ 5.5.0 has two ways to remember what it popped; ours has one. */
const ways = [
  ['in revive topics', {}],
  ['in a key-value store', quickRedelivery],
] as const;
const waysOfTarget: readonly (readonly [string, Config])[] = targetName === 'apache' ? ways : [['in one way', {}]];

for (const [title, apache] of waysOfTarget) {
  describeOnTarget(`ordered consumption, POPs remembered ${title}`, () => {
    let cluster: Target;
    let clients: RealClients;

    beforeAll(async () => {
      cluster = await startTarget({ apache, autoCreateTopics: false });
      clients = new RealClients(cluster.nameServer);
    });

    afterAll(async () => {
      await clients?.close();
      await cluster?.stop();
    });

    /** Sends `key number` in the order of the numbers, each key to one queue. */
    const send = async (topic: string, count: number, from = 0): Promise<void> => {
      const client = clients.create();
      for (const number of numbers(count).slice(from)) {
        const all = keys.map((shardingKey) => outgoing(topic, `${shardingKey} ${number}`, { shardingKey }));
        await Promise.all(all.map((message) => client.producer.send(message, soon())));
      }
    };

    const orderly = { orderly: true, ack: false, pollDurationMs: 5_000 } as const;

    test('one message of a queue at a time; a nack holds up its queue and no other', async () => {
      const topic = 'one-by-one';
      await cluster.createTopic(topic, { queueCount: 2 });
      const reader = await Reader.open(clients.create(), { group: 'g-one', topic }, orderly);
      const client = clients.create();
      const sendTo = (shardingKey: string, body: string) =>
        client.producer.send(outgoing(topic, body, { shardingKey }), soon());
      const [one, other] = await differentQueues(sendTo);
      for (const number of [1, 2]) {
        await sendTo(one, `one ${number}`);
        await sendTo(other, `other ${number}`);
      }
      await reader.count(2);
      const first = of(reader, 'first one');
      const startedMs = Date.now();
      await reader.consumer.nack(first.receipt, 2_000, soon());
      await acknowledgeAll(reader, (body) => body.includes('other'), ['first other', 'other 1', 'other 2']);
      // Nothing of the first queue was let past.
      await reader.until(() => reader.bodies.filter((body) => body === 'first one').length === 2);
      expect(Date.now() - startedMs).toBeGreaterThanOrEqual(1_950);
      expect(reader.bodies).not.toContain('one 1');
      expect(reader.messages.at(-1)?.reconsumeTimes).toBe(1);
      await reader.consumer.ack(reader.messages.at(-1)?.receipt ?? raise(), soon());
      await acknowledgeAll(reader, (body) => body.startsWith('one'), ['one 1', 'one 2']);
      expect(
        reader.messages.filter(({ body }) => body.includes(' 1')).map(({ reconsumeTimes }) => reconsumeTimes),
      ).toEqual([0, 0]);
      await reader.stop();
    });

    test('what a stream leaves goes to the next reader at once, and in order', async () => {
      const topic = 'handed-on';
      await cluster.createTopic(topic, { queueCount: 4 });
      await send(topic, 6);
      const subscriber = { group: 'g-handed', topic };
      const options = { ...orderly, invisibleDurationMs: 60_000 };
      const first = await Reader.open(clients.create(), subscriber, options);
      await first.count(4);
      await first.stop();
      expect(first.messages.length).toBe(4);
      const second = await Reader.open(clients.create(), subscriber, { ...options, ack: true });
      const startedMs = Date.now();
      await second.count(60);
      expect(Date.now() - startedMs).toBeLessThan(30_000);
      checkOrder(second.bodies);
      expect(new Set(second.bodies).size).toBe(60);
      expect(second.messages.length).toBe(60);
      await second.stop();
    });

    test('a longer invisible duration keeps the queue; the receipt in hand acknowledges it', async () => {
      const topic = 'longer';
      await cluster.createTopic(topic, { queueCount: 1 });
      const options = { ...orderly, invisibleDurationMs: 4_000 };
      const reader = await Reader.open(clients.create(), { group: 'g-longer', topic }, options);
      const client = clients.create();
      for (const body of ['slow', 'next']) await client.producer.send(outgoing(topic, body), soon());
      const [slow] = await reader.count(1);
      const receipt = await reader.consumer.changeInvisibleDuration(slow?.receipt ?? raise(), 9_000, soon());
      // Longer than the first duration: the other would have come, or this one again.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect(reader.bodies).toEqual(['slow']);
      await reader.consumer.ack(receipt, soon());
      await reader.count(2);
      expect(reader.bodies).toEqual(['slow', 'next']);
      await reader.stop();
    });

    test('a message that fails too often goes to the dead letters; those behind it have not failed', async () => {
      const topic = 'fails';
      const group = 'g-fails';
      await cluster.createTopic(topic, { queueCount: 1 });
      const settings = { groupName: group, retryMaxTimes: 2, retryQueueNums: 1, brokerId: 0, consumeEnable: true };
      await cluster.brokerCall(UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, Buffer.from(JSON.stringify(settings)));
      const client = clients.create();
      const reader = await Reader.open(client, { group, topic }, orderly);
      for (const body of ['fails', 'second', 'third']) await client.producer.send(outgoing(topic, body), soon());
      for (const count of [1, 2, 3]) {
        await reader.count(count);
        await reader.consumer.nack(reader.messages[count - 1]?.receipt ?? raise(), 0, soon());
      }
      for (const count of [4, 5]) {
        await reader.count(count);
        await reader.consumer.ack(reader.messages[count - 1]?.receipt ?? raise(), soon());
      }
      expect(reader.bodies).toEqual(['fails', 'fails', 'fails', 'second', 'third']);
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2, 0, 0]);
      await reader.stop();
      const { extFields } = await cluster.brokerCall(GET_MAX_OFFSET, { topic: `%DLQ%${group}`, queueId: '0' });
      expect(extFields['offset']).toBe('1');
    });

    test('ten keys, three consumers, nacks and crashes: nothing overtakes, nothing is lost', async () => {
      const topic = 'ten-keys';
      await cluster.createTopic(topic, { queueCount: 4 });
      const journal = new Journal();
      const group = 'g-ten';
      const open = async () => Worker.start(clients, { group, topic }, journal);
      const workers = await Promise.all([open(), open(), open()]);
      await send(topic, 15);
      await journal.until(() => journal.acknowledged.size >= 60);
      workers[0]?.hang();
      const replacement = await open();
      await send(topic, 30, 15);
      await journal.until(() => journal.acknowledged.size >= 200);
      await workers[1]?.leave();
      await journal.until(() => journal.acknowledged.size === 300);
      await Promise.all([workers[2]?.leave(), replacement.leave()]);
      expect(journal.overtakings).toEqual([]);
      expect(journal.nackCount).toBeGreaterThan(10);
    });
  });
}

function raise(): never {
  throw new Error('it must be there');
}

/** Two sharding keys whose messages lie in different queues; one message of each is sent. */
async function differentQueues(
  sendTo: (shardingKey: string, body: string) => Promise<{ readonly queue: { readonly queueId: number } }>,
): Promise<readonly [string, string]> {
  const [one = raise(), ...others] = keys;
  const { queue } = await sendTo(one, 'first one');
  const other = others.find((key) => queueIdOf(key, 2) !== queue.queueId) ?? raise();
  await sendTo(other, 'first other');
  return [one, other];
}

/** As Java chooses a queue: by `String.hashCode`. */
function queueIdOf(shardingKey: string, queueCount: number): number {
  let hash = 0;
  for (let at = 0; at < shardingKey.length; at += 1) hash = (Math.imul(hash, 31) + shardingKey.charCodeAt(at)) | 0;
  return Math.abs(hash % queueCount);
}

function of(reader: Reader, body: string): ReceivedMessage<PopReceipt> {
  return reader.messages.find((message) => message.body.toString() === body) ?? raise();
}

/** Waits for these messages, each acknowledged when it comes, in this order among those that fit. */
async function acknowledgeAll(
  reader: Reader,
  fits: (body: string) => boolean,
  bodies: readonly string[],
): Promise<void> {
  for (const body of bodies) {
    await reader.until(() => reader.bodies.includes(body));
    // What comes behind it waits for the ack.
    const later = bodies.slice(bodies.indexOf(body) + 1);
    expect(reader.bodies.filter((each) => fits(each) && later.includes(each))).toEqual([]);
    await reader.consumer.ack(of(reader, body).receipt, soon());
  }
}

/** `key number`: of each key, the numbers come in their order. */
function checkOrder(bodies: readonly string[]): void {
  const last = new Map<string, number>();
  for (const body of bodies) {
    const [key = '', number = ''] = body.split(' ');
    expect(Number(number)).toBe((last.get(key) ?? -1) + 1);
    last.set(key, Number(number));
  }
}

/** What happened to the messages of all workers. */
class Journal {
  /** The broker has, or may have, the acknowledgement. */
  readonly done = new Set<string>();
  /** The broker answered that it has it. */
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
class Worker {
  readonly #consumer: PopConsumer;
  readonly #journal: Journal;
  readonly #ending = new AbortController();
  #isHanging = false;

  static async start(
    clients: RealClients,
    subscriber: ConsumerOptions['subscriber'],
    journal: Journal,
  ): Promise<Worker> {
    const consumer = clients.create().popConsumer({
      subscriber,
      filter: parseTagFilter('*'),
      invisibleDurationMs: 4_000,
      renewalDurationMs: 0,
      pollDurationMs: 5_000,
      orderly: true,
    });
    await consumer.open(soon());
    const worker = new Worker(consumer, journal);
    void worker.#run();
    return worker;
  }

  private constructor(consumer: PopConsumer, journal: Journal) {
    this.#consumer = consumer;
    this.#journal = journal;
  }

  /** As if its process had ended: what it has is neither acknowledged nor given back. */
  hang(): void {
    this.#isHanging = true;
  }

  async leave(): Promise<void> {
    this.#ending.abort();
    await this.#consumer.close();
  }

  async #run(): Promise<void> {
    for await (const message of this.#consumer.stream({ messagesMax: 100, signal: this.#ending.signal })) {
      // To leave the loop would end the stream, which gives back.
      if (this.#isHanging) await new Promise(() => {});
      // One that fails is late; it comes again.
      void this.#work(message).catch(() => {});
    }
  }

  async #work({ body, receipt, reconsumeTimes }: ReceivedMessage<PopReceipt>): Promise<void> {
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
