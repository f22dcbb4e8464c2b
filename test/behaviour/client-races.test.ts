import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import type { PopConsumer } from '../../src/client/pop/pop-consumer.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';
import { type Config, quickRedelivery } from '../rocketmq/cluster.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target, targetName } from './target.ts';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** RocketMQ 5.5.0 has two ways to remember what it popped; ours has one. */
const ways = [
  ['in revive topics', {}],
  ['in a key-value store', quickRedelivery],
] as const;
const waysOfTarget: readonly (readonly [string, Config])[] = targetName === 'apache' ? ways : [['in one way', {}]];
/** What may pass between the end of an invisible duration and the next delivery; brokers of Apache look every second or two. */
const lateMsMax = targetName === 'apache' ? 6_000 : 2_000;
const mostlyLateMsMax = targetName === 'apache' ? 6_000 : 500;

type Delivery = ReceivedMessage<PopReceipt>;

/** What is done with a message, in the order of its deliveries; each tells how its calls ended. */
const scripts: Readonly<Record<string, readonly ((consumer: PopConsumer, message: Delivery) => Promise<string[]>)[]>> =
  {
    'ack, then nack': [(consumer, { receipt }) => outcomes(ack(consumer, receipt), consumer.nack(receipt, 0, soon()))],
    'nack, then ack': [
      (consumer, { receipt }) => outcomes(consumer.nack(receipt, 0, soon()), ack(consumer, receipt)),
      (consumer, { receipt }) => outcomes(ack(consumer, receipt)),
    ],
    'two acks': [(consumer, { receipt }) => outcomes(ack(consumer, receipt), ack(consumer, receipt))],
    'three nacks': [
      (consumer, { receipt }) => outcomes(...numbers(3).map(() => consumer.nack(receipt, 500, soon()))),
      (consumer, { receipt }) => outcomes(ack(consumer, receipt)),
    ],
    'a change, with an ack and a nack behind it': [
      async (consumer, { receipt }) => {
        const changed = consumer.changeInvisibleDuration(receipt, 2_000, soon());
        const others = await outcomes(changed, ack(consumer, receipt), consumer.nack(receipt, 0, soon()));
        return [...others, ...(await outcomes(ack(consumer, await changed)))];
      },
    ],
    'three changes, then a nack': [
      async (consumer, { receipt }) => {
        const change = (): Promise<PopReceipt> => consumer.changeInvisibleDuration(receipt, 2_000, soon());
        const first = change();
        const others = await outcomes(first, change(), change());
        return [...others, ...(await outcomes(consumer.nack(await first, 0, soon())))];
      },
      (consumer, { receipt }) => outcomes(ack(consumer, receipt)),
    ],
    'an ack after many renewals': [
      async (consumer, { receipt }) => {
        await new Promise((resolve) => setTimeout(resolve, 7_000));
        return outcomes(ack(consumer, receipt));
      },
    ],
  };

const expected: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'ack, then nack': [['done', 'expired']],
  'nack, then ack': [['done', 'expired'], ['done']],
  'two acks': [['done', 'done']],
  'three nacks': [['done', 'expired', 'expired'], ['done']],
  'a change, with an ack and a nack behind it': [['done', 'expired', 'expired', 'done']],
  'three changes, then a nack': [['done', 'expired', 'expired', 'done'], ['done']],
  'an ack after many renewals': [['done']],
};

for (const [title, apache] of waysOfTarget) {
  describeOnTarget(`receipts, POPs remembered ${title}`, () => {
    let cluster: Target;
    let clients: RealClients;
    let client: ClusterClient;

    beforeAll(async () => {
      cluster = await startTarget({ apache, autoCreateTopics: false });
      clients = new RealClients(cluster.nameServer);
      client = clients.create();
    });

    afterAll(async () => {
      await clients?.close();
      await cluster?.stop();
    });

    const send = (topic: string, ...bodies: readonly string[]) =>
      Promise.all(bodies.map((body) => client.producer.send(outgoing(topic, body), soon())));

    test('whatever is done at the same time, one of it counts, and no message is delivered twice for it', async () => {
      await cluster.createTopic('races', { queueCount: 4 });
      await cluster.createTopic('clock', { queueCount: 1 });
      const kinds = Object.keys(scripts);
      const results = new Map<string, string[][]>();
      const options = { ack: false, invisibleDurationMs: 4_000, renewalDurationMs: 60_000 };
      const reader = await Reader.open(client, { group: 'g-races', topic: 'races' }, options);
      const names = kinds.flatMap((kind) => numbers(8).map((number) => `${kind} ${number}`));
      await send('races', ...names);
      const expectedCount = 8 * Object.values(expected).reduce((sum, { length }) => sum + length, 0);
      const works: Promise<void>[] = [];
      for (let at = 0; at < expectedCount; at += 1) {
        await reader.count(at + 1);
        const message = reader.messages[at];
        if (message !== undefined) works.push(work(reader.consumer, message, results));
      }
      await Promise.all(works);
      expect(reader.consumer.inFlightCount).toBe(0);
      // When a message that nobody acknowledges has come three times, what is alive of the others would have, too.
      const clock = await Reader.open(
        client,
        { group: 'g-races', topic: 'clock' },
        { ack: false, invisibleDurationMs: 4_000 },
      );
      await send('clock', 'tick');
      await clock.count(3);
      for (const name of names) expect([name, results.get(name)]).toEqual([name, expected[name.slice(0, -2)]]);
      expect(reader.messages.length).toBe(expectedCount);
      await Promise.all([reader.stop(), clock.stop()]);
    });

    test('what a consumer had that is gone without a word comes once more, each, when its time is over', async () => {
      const topic = 'crash';
      const subscriber = { group: 'g-crash', topic };
      const invisibleDurationMs = 6_000;
      const count = 1_000;
      await cluster.createTopic(topic, { queueCount: 4 });
      await send(topic, ...numbers(count).map(String));
      let isAlive = true;
      const gone = clients.create({ brokerAllowed: () => isAlive });
      const first = await Reader.open(gone, subscriber, { ack: false, invisibleDurationMs });
      await first.count(count);
      // It reaches no broker any more, so it gives nothing back.
      isAlive = false;
      await first.stop();
      await gone.close();
      const options = { ack: false, invisibleDurationMs: 60_000, messagesMax: 2_000 };
      const second = await Reader.open(client, subscriber, options);
      await second.count(count);
      expect(second.messages.length).toBe(count);
      expect(new Set(second.bodies).size).toBe(count);
      expect(new Set(second.messages.map(({ reconsumeTimes }) => reconsumeTimes))).toEqual(new Set([1]));
      const visibleAtMs = new Map(
        first.messages.map(({ messageId, receipt }) => [messageId, receipt.popTimeMs + invisibleDurationMs]),
      );
      const lateMs = second.messages.map(({ messageId }, at) => {
        return (second.receivedAtMs[at] ?? 0) - (visibleAtMs.get(messageId) ?? 0);
      });
      expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(-5);
      expect(Math.max(...lateMs)).toBeLessThanOrEqual(lateMsMax);
      expect(lateMs.toSorted((one, other) => one - other)[count / 2]).toBeLessThanOrEqual(mostlyLateMsMax);
      await second.stop();
    });

    test('a nack brings a message again after its delay, also where another client received it', async () => {
      const topic = 'nacked';
      const subscriber = { group: 'g-nacked', topic };
      await cluster.createTopic(topic, { queueCount: 1 });
      const reader = await Reader.open(client, subscriber, { ack: false, invisibleDurationMs: 60_000 });
      await send(topic, 'x');
      const [message] = await reader.count(1);
      const elsewhere = await Reader.open(clients.create(), { ...subscriber, topic }, { ack: false, messagesMax: 1 });
      const nackedAtMs = Date.now();
      await elsewhere.consumer.nack((message ?? raise()).receipt, 2_000, soon());
      await Promise.race([reader.count(2), elsewhere.count(1)]);
      expect(Date.now() - nackedAtMs).toBeGreaterThanOrEqual(1_990);
      expect(Date.now() - nackedAtMs).toBeLessThan(2_000 + lateMsMax);
      const again = reader.messages[1] ?? elsewhere.messages[0] ?? raise();
      expect(again).toMatchObject({ messageId: message?.messageId, reconsumeTimes: 1 });
      await reader.consumer.ack(again.receipt, soon());
      await Promise.all([reader.stop(), elsewhere.stop()]);
    });
  });
}

async function work(consumer: PopConsumer, message: Delivery, results: Map<string, string[][]>): Promise<void> {
  const name = message.body.toString();
  const before = results.get(name) ?? [];
  const script = scripts[name.slice(0, -2)]?.[before.length];
  const result: string[] = [];
  results.set(name, [...before, result]);
  result.push(...(script === undefined ? ['came too often'] : await script(consumer, message)));
}

function ack(consumer: PopConsumer, receipt: PopReceipt): Promise<void> {
  return consumer.ack(receipt, soon());
}

async function outcomes(...calls: readonly Promise<unknown>[]): Promise<string[]> {
  const results = await Promise.allSettled(calls);
  return results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.kind));
}

function raise(): never {
  throw new Error('it must be there');
}
