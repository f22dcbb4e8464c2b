import { describe, expect, test } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import type { ConsumeMode } from '../../../src/client/options.ts';
import type { Receipt } from '../../../src/client/receipt.ts';
import { outgoing, type Reader, soon } from '../../support/real-client.ts';
import { type ClientSuite, groupOf, numbers } from './client-suite.ts';
import { Journal, OrderedWorker } from './ordered-worker.ts';

const keys = numbers(10).map((number) => `key-${number}`);

/** The messages of a queue come one after the other, whatever happens to them. */
export function describeOrdered(suite: ClientSuite, mode: ConsumeMode): void {
  const orderly = { mode, orderly: true, ack: false, pollDurationMs: 5_000 } as const;

  /** Sends `key number` in the order of the numbers, each key to one queue. */
  const sendKeys = async (topic: string, from: number, to: number): Promise<void> => {
    for (const number of numbers(to).slice(from)) {
      const messages = keys.map((shardingKey) => outgoing(topic, `${shardingKey} ${number}`, { shardingKey }));
      await Promise.all(messages.map((message) => suite.client.producer.send(message, soon())));
    }
  };

  describe.concurrent(`in order, mode ${mode}`, () => {
    test('one message of a queue at a time; a nack holds up its queue and no other', async () => {
      const topic = `${mode}-one-by-one`;
      const reader = await suite.reader(topic, 2, orderly);
      const sendTo = (shardingKey: string, body: string) =>
        suite.client.producer.send(outgoing(topic, body, { shardingKey }), soon());
      const [one, other] = keysOfTwoQueues();
      for (const number of [0, 1, 2]) {
        await sendTo(one, `one ${number}`);
        await sendTo(other, `other ${number}`);
      }
      await reader.count(2);
      const nackedAtMs = Date.now();
      await reader.consumer.nack(reader.message('one 0').receipt, 2_000, soon());
      await acknowledgeInTurn(reader, ['other 0', 'other 1', 'other 2']);
      // Nothing of the first queue was let past.
      await reader.until(() => reader.bodies.filter((body) => body === 'one 0').length === 2);
      expect(Date.now() - nackedAtMs).toBeGreaterThanOrEqual(1_950);
      expect(reader.bodies).not.toContain('one 1');
      const again = reader.messages.at(-1);
      expect(again?.reconsumeTimes).toBe(1);
      await reader.consumer.ack((again ?? reader.message('one 0')).receipt, soon());
      await acknowledgeInTurn(reader, ['one 1', 'one 2']);
      for (const body of ['one 1', 'one 2']) expect(reader.message(body).reconsumeTimes).toBe(0);
      await reader.stop();
    });

    test('what a stream leaves goes to the next reader, soon and in order', async () => {
      const topic = await suite.topic(`${mode}-handed-on`, 4);
      await sendKeys(topic, 0, 6);
      // Longer than the test: what comes again was given back.
      const options = { ...orderly, invisibleDurationMs: 600_000 };
      const first = await suite.join(topic, options, suite.clients.create());
      await first.count(4);
      await first.stop();
      expect(first.messages.length).toBe(4);
      const second = await suite.join(topic, { ...options, ack: true }, suite.clients.create());
      await second.count(60);
      checkOrder(second.bodies);
      expect(new Set(second.bodies).size).toBe(60);
      expect(second.messages.length).toBe(60);
      await second.stop();
    });

    test('a longer invisible duration keeps the queue; the receipt in hand acknowledges it', async () => {
      const topic = `${mode}-ordered-longer`;
      const reader = await suite.reader(topic, 1, { ...orderly, invisibleDurationMs: 5_000 });
      await suite.sendInTurn(topic, 'slow', 'next');
      const slow: string[] = [];
      let receipt: Receipt | undefined;
      // Where all stands still until the time of a delivery is over, the next one is made longer.
      while (receipt === undefined) {
        const message = await reader.nth(slow.length);
        slow.push('slow');
        receipt = await reader.consumer.changeInvisibleDuration(message.receipt, 60_000, soon()).catch(unlessExpired);
      }
      // Longer than the first duration: the other would have come, or this one again.
      await new Promise((resolve) => setTimeout(resolve, 7_000));
      expect(reader.bodies).toEqual(slow);
      await reader.consumer.ack(receipt, soon());
      await reader.count(slow.length + 1);
      expect(reader.bodies).toEqual([...slow, 'next']);
      await reader.stop();
    });

    test('a message whose time is over comes again before all later ones', async () => {
      const topic = `${mode}-ordered-late`;
      const reader = await suite.reader(topic, 1, { ...orderly, invisibleDurationMs: 3_000 });
      await suite.sendInTurn(topic, '1', '2', '3');
      const first = await reader.nth(0);
      const again = await reader.nth(1);
      expect((reader.receivedAtMs[1] ?? 0) - (reader.receivedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(2_900);
      expect([first.reconsumeTimes, again.reconsumeTimes]).toEqual([0, 1]);
      await acknowledgeInTurn(reader, ['1', '2', '3']);
      expect(reader.bodies.filter((body, index, bodies) => body !== bodies[index - 1])).toEqual(['1', '2', '3']);
      await reader.stop();
    });

    test('a message that fails too often goes to the dead letters; those behind it have not failed', async () => {
      const topic = await suite.topic(`${mode}-ordered-fails`, 1);
      await suite.limitRetries(groupOf(topic), 2);
      // Who may not see how often messages of a group may fail takes it for the default.
      const reader = await suite.join(topic, orderly, suite.admin());
      await suite.sendInTurn(topic, 'fails', 'second', 'third');
      for (const index of numbers(3)) await reader.consumer.nack((await reader.nth(index)).receipt, 0, soon());
      for (const index of [3, 4]) await reader.consumer.ack((await reader.nth(index)).receipt, soon());
      expect(reader.bodies).toEqual(['fails', 'fails', 'fails', 'second', 'third']);
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2, 0, 0]);
      await suite.buried(groupOf(topic), 1);
      await reader.stop();
    });

    test('ten keys, three members that come, go and fail: nothing overtakes, nothing is lost', async () => {
      const topic = await suite.topic(`${mode}-ten-keys`, 4);
      const journal = new Journal();
      const join = () =>
        OrderedWorker.start(suite.clients.create(), { group: groupOf(topic), topic }, { mode, journal });
      const [first, second, third] = await Promise.all([join(), join(), join()]);
      await sendKeys(topic, 0, 15);
      await journal.until(() => journal.acknowledged.size >= 60);
      // By POP what it had comes again when its time is over; by pull its queues are its own until it leaves.
      const isPulling = mode === 'pull' || first.hasPulled;
      if (isPulling) await first.leave();
      else first.hang();
      const replacement = await join();
      await sendKeys(topic, 15, 30);
      await journal.until(() => journal.acknowledged.size >= 200);
      await second.leave();
      await journal.until(() => journal.acknowledged.size === 300);
      await Promise.all([third.leave(), replacement.leave()]);
      expect(journal.overtakings).toEqual([]);
      expect(journal.nackCount).toBeGreaterThan(10);
    });
  });
}

/** Waits for these messages, all of one queue, each acknowledged when it has come: what is behind it has not. */
async function acknowledgeInTurn(reader: Reader, bodies: readonly string[]): Promise<void> {
  for (const [index, body] of bodies.entries()) {
    await reader.until(() => reader.bodies.includes(body));
    const later = bodies.slice(index + 1);
    expect(reader.bodies.filter((each) => later.includes(each))).toEqual([]);
    await acknowledge(reader, body);
  }
}

/** Acknowledges a message; where all stood still until its time was over, when it has come again. */
async function acknowledge(reader: Reader, body: string): Promise<void> {
  for (;;) {
    const deliveries = reader.messages.filter((message) => message.body.toString() === body);
    const acked = reader.consumer.ack((deliveries.at(-1) ?? reader.message(body)).receipt, soon());
    const isDone = await acked.then(() => true, unlessExpired);
    if (isDone) return;
    await reader.until(() => reader.bodies.filter((each) => each === body).length > deliveries.length);
  }
}

/** For `catch`. @throws what it is given, unless that says that the time of a delivery was over. */
function unlessExpired(error: unknown): undefined {
  if (!(error instanceof ClientError && error.kind === 'expired')) throw error;
}

/** Two sharding keys whose messages lie in different ones of two queues. */
function keysOfTwoQueues(): readonly [string, string] {
  const keyOf = (queueId: number): string => keys.find((key) => queueIdOf(key, 2) === queueId) ?? '';
  return [keyOf(0), keyOf(1)];
}

/** As Java chooses a queue: by `String.hashCode`. */
function queueIdOf(shardingKey: string, queueCount: number): number {
  let hash = 0;
  for (let at = 0; at < shardingKey.length; at += 1) hash = (Math.imul(hash, 31) + shardingKey.charCodeAt(at)) | 0;
  return Math.abs(hash % queueCount);
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
