import { describe, expect, test } from 'vitest';
import type { ConsumeMode } from '../../../src/client/options.ts';
import { outgoing, Reader, type ReaderOptions, soon } from '../../support/real-client.ts';
import { isBefore5 } from '../target.ts';
import { type ClientSuite, groupOf, numbers } from './client-suite.ts';

const expired = { name: 'ClientError', kind: 'expired' };

/**
 * What is not acknowledged comes again, what is does not. That something does not come is judged by a clock: a message that nobody
 * acknowledges; when it has come three times, what is alive of the others would have, too.
 */
export function describeRedelivery(suite: ClientSuite, mode: ConsumeMode): void {
  const clocks = (reader: Reader): number => reader.bodies.filter((body) => body === 'clock').length;
  /** Long enough for a cold broker to be told of an ack. */
  const quick = { mode, ack: false, invisibleDurationMs: 5_000 } as const;
  /** Longer than all else takes, and short enough for a broker that stood still when a message was given back. */
  const patient = { mode, ack: false, invisibleDurationMs: 60_000 } as const;

  describe.concurrent(`what is not acknowledged, mode ${mode}`, () => {
    test('comes again as the same message; an ack stops it', async () => {
      const topic = `${mode}-again`;
      const reader = await suite.reader(topic, 1, quick);
      const properties = [['user', 'wert']] as const;
      const left = outgoing(topic, 'left', { tag: 't', properties });
      const { messageId } = await suite.client.producer.send(left, soon());
      await suite.send(topic, 'done', 'clock');
      await reader.until(() => reader.bodies.includes('done'));
      await reader.consumer.ack(reader.message('done').receipt, soon());
      await reader.until(() => reader.bodies.filter((body) => body === 'left').length === 2);
      const [first, second] = reader.messages.filter((message) => message.messageId === messageId);
      if (first === undefined || second === undefined) throw new Error('its id has changed');
      expect([first.reconsumeTimes, second.reconsumeTimes]).toEqual([0, 1]);
      expect(second).toMatchObject({ tag: 't', topic, bornTimestampMs: first.bornTimestampMs });
      expect(second.properties.get('user')).toBe('wert');
      // The receipt of the first delivery is no use any more, the second one's is, as often as one likes.
      await expect(reader.consumer.ack(first.receipt, soon())).rejects.toMatchObject(expired);
      await reader.consumer.ack(second.receipt, soon());
      await reader.consumer.ack(second.receipt, soon());
      await reader.until(() => clocks(reader) === 3);
      expect(reader.bodies.filter((body) => body !== 'clock').toSorted()).toEqual(['done', 'left', 'left']);
      await reader.stop();
    });

    test('many acks at once count, each of them', async () => {
      const topic = `${mode}-many-acks`;
      const reader = await suite.reader(topic, 4, { ...quick, invisibleDurationMs: 8_000 });
      await suite.send(topic, ...numbers(200).map(String));
      await reader.count(200);
      await Promise.all(reader.messages.map(({ receipt }) => reader.consumer.ack(receipt, soon())));
      expect(reader.consumer.inFlightCount).toBe(0);
      await suite.send(topic, 'clock');
      await reader.until(() => clocks(reader) === 2);
      expect(reader.bodies.slice(200)).toEqual(['clock', 'clock']);
      await reader.stop();
    });

    test('a nack brings a message again, at once or after its delay', async () => {
      const topic = `${mode}-nack`;
      const reader = await suite.reader(topic, 1, patient);
      await suite.send(topic, 'body');
      const first = await reader.nth(0);
      await reader.consumer.nack(first.receipt, 0, soon());
      await expect(reader.consumer.ack(first.receipt, soon())).rejects.toMatchObject(expired);
      const second = await reader.nth(1);
      const nackedAtMs = Date.now();
      await reader.consumer.nack(second.receipt, 2_000, soon());
      const third = await reader.nth(2);
      expect((reader.receivedAtMs[2] ?? 0) - nackedAtMs).toBeGreaterThanOrEqual(1_990);
      expect([first, second, third].map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2]);
      expect(new Set([first, second, third].map(({ messageId }) => messageId)).size).toBe(1);
      await reader.consumer.ack(third.receipt, soon());
      await reader.stop();
    });

    test('a longer invisible duration keeps a message; its old receipt is spent', async () => {
      const topic = `${mode}-longer`;
      const reader = await suite.reader(topic, 1, quick);
      await suite.send(topic, 'body');
      const { receipt } = await reader.nth(0);
      const longer = await reader.consumer.changeInvisibleDuration(receipt, 60_000, soon());
      await expect(reader.consumer.ack(receipt, soon())).rejects.toMatchObject(expired);
      await suite.send(topic, 'clock');
      await reader.until(() => clocks(reader) === 2);
      expect(reader.bodies).toEqual(['body', 'clock', 'clock']);
      await reader.consumer.ack(longer, soon());
      await reader.stop();
    });

    test('the end of a stream gives back what is not acknowledged, and nothing that is', async () => {
      const topic = await suite.topic(`${mode}-left-behind`);
      await suite.send(topic, ...numbers(60).map(String));
      const first = await suite.join(topic, patient);
      await first.count(60);
      const acked = first.messages.filter((_message, index) => index % 3 === 0);
      await Promise.all(acked.map(({ receipt }) => first.consumer.ack(receipt, soon())));
      await first.stop();
      const second = await suite.join(topic, { ...patient, ack: true }, suite.clients.create());
      await second.count(40);
      expect(new Set(second.bodies)).toEqual(new Set(first.bodies.filter((_body, index) => index % 3 !== 0)));
      // Nothing comes twice: the next one to come is one that is new.
      await suite.send(topic, 'new');
      await second.count(41);
      expect(second.bodies[40]).toBe('new');
      await second.stop();
    });

    test('a message that failed too often goes to the dead letters, others go on', async () => {
      const topic = await suite.topic(`${mode}-fails`, 1);
      const group = groupOf(topic);
      await suite.limitRetries(group, 2);
      const onMessage: ReaderOptions['onMessage'] = async ({ body, receipt }, consumer) => {
        if (body.toString() === 'fails') await consumer.nack(receipt, 0, soon());
        else await consumer.ack(receipt, soon());
      };
      // Who may not see how often messages of a group may fail takes it for the default.
      const reader = await suite.join(topic, { ...patient, onMessage }, suite.admin());
      await suite.client.producer.send(outgoing(topic, 'fails', { keys: 'k' }), soon());
      await suite.send(topic, 'good');
      await suite.buried(group, 1);
      await suite.send(topic, 'last');
      await reader.until(() => reader.bodies.includes('last'));
      const counts = (body: string): number => reader.bodies.filter((each) => each === body).length;
      expect([counts('fails'), counts('good'), counts('last')]).toEqual([3, 1, 1]);
      expect(await suite.storedCount(`%DLQ%${group}`)).toBe(1);
      await reader.stop();
      if (isBefore5(suite.variant, 'deadLetters')) return;
      const letters = await Reader.open(suite.client, { group: `${group}-letters`, topic: `%DLQ%${group}` }, { mode });
      const letter = await letters.nth(0);
      expect(letter.body.toString()).toBe('fails');
      expect(letter.properties.get('KEYS')).toBe('k');
      await letters.stop();
    });
  });
}
