import { describe, expect, test } from 'vitest';
import type { Consumer } from '../../../src/client/consumer.ts';
import type { Receipt } from '../../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { popReceiptOf, Reader, soon } from '../../support/real-client.ts';
import { differs, isBefore5 } from '../target.ts';
import { type ClientSuite, groupOf, numbers } from './client-suite.ts';

/** What may pass between the end of an invisible duration and the next delivery: brokers look every second or two, and machines are busy. */
const lateMsMax = 30_000;

const mode = 'pop';

type Script = (consumer: Consumer, message: ReceivedMessage) => Promise<string[]>;

/** What is done with a message, in the order of its deliveries, and how each call ends. */
const races: Readonly<Record<string, readonly (readonly [Script, readonly string[]])[]>> = {
  'ack, then nack': [
    [
      (consumer, { receipt }) => outcomes(ack(consumer, receipt), consumer.nack(receipt, 0, soon())),
      ['done', 'expired'],
    ],
  ],
  'nack, then ack': [
    [
      (consumer, { receipt }) => outcomes(consumer.nack(receipt, 0, soon()), ack(consumer, receipt)),
      ['done', 'expired'],
    ],
    [(consumer, { receipt }) => outcomes(ack(consumer, receipt)), ['done']],
  ],
  'two acks': [[(consumer, { receipt }) => outcomes(ack(consumer, receipt), ack(consumer, receipt)), ['done', 'done']]],
  'three nacks': [
    [
      (consumer, { receipt }) => outcomes(...numbers(3).map(() => consumer.nack(receipt, 500, soon()))),
      ['done', 'expired', 'expired'],
    ],
    [(consumer, { receipt }) => outcomes(ack(consumer, receipt)), ['done']],
  ],
  'a change, with an ack and a nack behind it': [
    [
      async (consumer, { receipt }) => {
        const changed = change(consumer, receipt);
        const others = await outcomes(changed, ack(consumer, receipt), consumer.nack(receipt, 0, soon()));
        return [...others, ...(await outcomes(ack(consumer, await changed)))];
      },
      ['done', 'expired', 'expired', 'done'],
    ],
  ],
  'three changes, then a nack': [
    [
      async (consumer, { receipt }) => {
        const first = change(consumer, receipt);
        const others = await outcomes(first, change(consumer, receipt), change(consumer, receipt));
        return [...others, ...(await outcomes(consumer.nack(await first, 0, soon())))];
      },
      ['done', 'expired', 'expired', 'done'],
    ],
    [(consumer, { receipt }) => outcomes(ack(consumer, receipt)), ['done']],
  ],
  'an ack after many renewals': [
    [
      async (consumer, { receipt }) => {
        await new Promise((resolve) => setTimeout(resolve, 13_000));
        return outcomes(ack(consumer, receipt));
      },
      ['done'],
    ],
  ],
};

/** What only receipts of POP can do: they mean something to every client, and may be spent by several calls at once. */
export function describePop(suite: ClientSuite): void {
  describe.skipIf(isBefore5(suite.variant, 'noPop'))('receipts of POP', { concurrent: true }, () => {
    test('whatever is done at the same time, one of it counts, and no message is delivered twice for it', async () => {
      const topic = 'races';
      const kinds = Object.entries(races);
      const results = new Map<string, string[][]>();
      const options = { mode, ack: false, invisibleDurationMs: 12_000, renewalDurationMs: 60_000 } as const;
      const reader = await suite.reader(topic, 4, options);
      const names = kinds.flatMap(([kind]) => numbers(8).map((number) => `${kind} ${number}`));
      await suite.send(topic, ...names);
      const deliveryCount = 8 * kinds.reduce((sum, [, deliveries]) => sum + deliveries.length, 0);
      const works: Promise<void>[] = [];
      for (const index of numbers(deliveryCount)) works.push(work(reader.consumer, await reader.nth(index), results));
      await Promise.all(works);
      expect(reader.consumer.inFlightCount).toBe(0);
      // When a message that nobody acknowledges has come three times, what is alive of the others would have, too.
      const clock = await suite.reader('races-clock', 1, { mode, ack: false, invisibleDurationMs: 7_000 });
      await suite.send('races-clock', 'tick');
      await clock.count(3);
      for (const name of names) {
        const expected = races[name.slice(0, -2)]?.map(([, ends]) => ends);
        expect([name, results.get(name)]).toEqual([name, expected]);
      }
      expect(reader.messages.length).toBe(deliveryCount);
      await Promise.all([reader.stop(), clock.stop()]);
    });

    test('what a consumer had that is gone without a word comes once more, each, when its time is over', async () => {
      const topic = await suite.topic('crash', 4);
      const invisibleDurationMs = 10_000;
      const bodies = numbers(300).map(String);
      await suite.send(topic, ...bodies);
      // A send whose answer is long in coming is tried again, which may store the message twice.
      const stored = await Promise.all(numbers(4).map((queueId) => suite.storedCount(topic, queueId)));
      const count = stored.reduce((sum, each) => sum + each, 0);
      let isAlive = true;
      const gone = suite.clients.create({ brokerAllowed: () => isAlive });
      const first = await suite.join(topic, { mode, ack: false, invisibleDurationMs }, gone);
      await first.count(count);
      // It reaches no broker any more, so it gives nothing back.
      isAlive = false;
      await first.stop();
      await gone.close();
      const options = { mode, ack: false, invisibleDurationMs: 60_000, messagesMax: 2_000 } as const;
      const second = await suite.join(topic, options);
      await second.count(count);
      expect(second.messages.length).toBe(count);
      expect(new Set(second.bodies)).toEqual(new Set(bodies));
      expect(new Set(second.messages.map(({ reconsumeTimes }) => reconsumeTimes))).toEqual(new Set([1]));
      // Of one that is stored twice, the first.
      const visibleAtMs = new Map(
        first.messages
          .toReversed()
          .map((message) => [message.messageId, popReceiptOf(message).popTimeMs + invisibleDurationMs]),
      );
      const lateMs = second.messages.map(
        ({ messageId }, at) => (second.receivedAtMs[at] ?? 0) - (visibleAtMs.get(messageId) ?? 0),
      );
      expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(-5);
      expect(Math.max(...lateMs)).toBeLessThanOrEqual(lateMsMax);
      await second.stop();
    });

    test('a nack counts also where another client received the message', async () => {
      const topic = 'nacked-elsewhere';
      const patient = { mode, ack: false, invisibleDurationMs: 60_000 } as const;
      const reader = await suite.reader(topic, 1, patient);
      await suite.send(topic, 'x');
      const message = await reader.nth(0);
      const other = await suite.join(topic, patient, suite.clients.create());
      const nackedAtMs = Date.now();
      await other.consumer.nack(message.receipt, 2_000, soon());
      await Promise.race([reader.count(2), other.count(1)]);
      expect(Date.now() - nackedAtMs).toBeGreaterThanOrEqual(1_990);
      const again = reader.messages[1] ?? other.message('x');
      expect(again).toMatchObject({ messageId: message.messageId, reconsumeTimes: 1 });
      expect(popReceiptOf(again).retry === '0').toBe(differs('sameQueue', { apache: false, embedded: true }));
      await reader.consumer.ack(again.receipt, soon());
      await Promise.all([reader.stop(), other.stop()]);
    });

    test('a renewed message stays with its reader, and its ack counts', async () => {
      const topic = await suite.topic('renewed', 1);
      const options = { mode, ack: false, invisibleDurationMs: 5_000 } as const;
      const keeper = await suite.join(topic, { ...options, renewalDurationMs: 60_000, messagesMax: 1 });
      await suite.send(topic, 'kept');
      const kept = await keeper.nth(0);
      // Without renewal, for which the kept message would come again before the clock does so twice.
      const other = await suite.join(topic, options, suite.clients.create());
      await suite.send(topic, 'clock');
      await other.count(3);
      expect(other.bodies).toEqual(['clock', 'clock', 'clock']);
      await keeper.consumer.ack(kept.receipt, soon());
      await keeper.stop();
      const receivedCount = other.messages.length;
      await other.count(receivedCount + 2);
      expect(new Set(other.bodies)).toEqual(new Set(['clock']));
      await other.stop();
    });
  });

  test.skipIf(!isBefore5(suite.variant, 'noPop'))(
    'who insists on POP is told that brokers of 4.x have none',
    async () => {
      const topic = await suite.topic('unpopped');
      const opened = Reader.open(suite.client, { group: groupOf(topic), topic }, { mode });
      await expect(opened).rejects.toMatchObject({ name: 'ClientError', kind: 'unsupported' });
    },
  );
}

async function work(consumer: Consumer, message: ReceivedMessage, results: Map<string, string[][]>): Promise<void> {
  const name = message.body.toString();
  const before = results.get(name) ?? [];
  const [script] = races[name.slice(0, -2)]?.[before.length] ?? [];
  const result: string[] = [];
  results.set(name, [...before, result]);
  result.push(...(script === undefined ? ['came too often'] : await script(consumer, message)));
}

function ack(consumer: Consumer, receipt: Receipt): Promise<void> {
  return consumer.ack(receipt, soon());
}

function change(consumer: Consumer, receipt: Receipt): Promise<Receipt> {
  return consumer.changeInvisibleDuration(receipt, 10_000, soon());
}

async function outcomes(...calls: readonly Promise<unknown>[]): Promise<string[]> {
  const results = await Promise.allSettled(calls);
  return results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.kind));
}
