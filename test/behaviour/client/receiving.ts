import { describe, expect, test, vi } from 'vitest';
import { type MessageFilter, parseTagFilter, sqlFilter } from '../../../src/client/message-filter.ts';
import type { ConsumeMode } from '../../../src/client/options.ts';
import { unwrapNamespace, wrapNamespace } from '../../../src/remoting/topic-names.ts';
import { outgoing, Reader, soon } from '../../support/real-client.ts';
import { type ClientSuite, groupOf, numbers, withinMinute } from './client-suite.ts';

const inOrder = (bodies: readonly string[]): string[] => bodies.toSorted((one, other) => one.localeCompare(other));

/** Who gets which messages, whichever way they come. */
export function describeReceiving(suite: ClientSuite, mode: ConsumeMode): void {
  describe.concurrent(`receiving, mode ${mode}`, () => {
    test('a backlog comes in order', async () => {
      const topic = await suite.topic(`${mode}-backlog`, 1);
      const bodies = numbers(200).map(String);
      await suite.sendInTurn(topic, ...bodies);
      const reader = await suite.join(topic, { mode });
      await reader.count(200);
      expect(reader.bodies).toEqual(bodies);
      await reader.stop();
    });

    test('the next consumer of a group begins behind what was acknowledged', async () => {
      const topic = `${mode}-next`;
      const reader = await suite.reader(topic, 4, { mode });
      const bodies = numbers(200).map((number) => `body ${number}`);
      await suite.send(topic, ...bodies);
      await reader.until(() => reader.acknowledged.length === 200);
      expect(inOrder(reader.bodies)).toEqual(inOrder(bodies));
      await reader.stop();
      const next = await suite.join(topic, { mode });
      await suite.send(topic, 'later');
      await next.count(1);
      expect(next.bodies).toEqual(['later']);
      await next.stop();
    });

    test('two groups each get all', async () => {
      const topic = await suite.topic(`${mode}-two-groups`);
      const open = (group: string) => Reader.open(suite.client, { group, topic }, { messagesMax: 7, mode });
      const readers = await Promise.all([`${topic}-1`, `${topic}-2`].map(open));
      await suite.send(topic, ...numbers(100).map(String));
      for (const reader of readers) {
        await reader.count(100);
        expect(new Set(reader.bodies)).toEqual(new Set(numbers(100).map(String)));
        await reader.stop();
      }
    });

    test('two members of a group share, nothing is lost or done twice, and one takes over what the other leaves', async () => {
      const topic = `${mode}-shared`;
      const one = await suite.reader(topic, 8, { mode, messagesMax: 10 });
      const other = await suite.join(topic, { mode, messagesMax: 10 }, suite.clients.create());
      const readers = [one, other];
      const doneOf = (bodies: readonly string[]): string[] =>
        readers.flatMap(({ acknowledged }) => acknowledged).filter((body) => bodies.includes(body));
      const round = async (name: string, count: number): Promise<string[]> => {
        const bodies = numbers(count).map((number) => `${name} ${number}`);
        await suite.send(topic, ...bodies);
        await vi.waitUntil(() => new Set(doneOf(bodies)).size === count, withinMinute);
        return bodies;
      };
      // By pull it takes them a while to agree who reads which queue, and until then both may read one.
      let roundCount = 0;
      const agree = async (): Promise<void> => {
        const counts = readers.map(({ acknowledged }) => acknowledged.length);
        const bodies = [...(await round(`first ${roundCount++}`, 40)), ...(await round(`second ${roundCount++}`, 40))];
        expect(doneOf(bodies)).toHaveLength(80);
        for (const [index, { acknowledged }] of readers.entries())
          expect(acknowledged.length).toBeGreaterThan(counts[index] ?? 0);
      };
      await vi.waitFor(agree, { timeout: 90_000, interval: 200 });
      const shared = await round('shared', 300);
      await other.stop();
      const taken = await round('taken over', 40);
      expect(inOrder(doneOf([...shared, ...taken]))).toEqual(inOrder([...shared, ...taken]));
      await one.stop();
    });

    test('only the tags that are wanted come, equal hashes notwithstanding', async () => {
      const topic = `${mode}-tags`;
      const reader = await suite.reader(topic, 1, { mode, tags: 'Aa || x' });
      // `BB` and `Aa` have one hash in Java, and brokers compare hashes.
      for (const tag of ['BB', 'Aa', 'AaBB', undefined, 'x', 'BB', 'Aa'])
        await suite.client.producer.send(outgoing(topic, String(tag), { tag }), soon());
      await reader.count(3);
      expect(reader.bodies).toEqual(['Aa', 'x', 'Aa']);
      await reader.stop();
    });

    test('a condition lets through what it is true of, and nothing else', async () => {
      const topic = `${mode}-conditions`;
      const filter = sqlFilter("price BETWEEN 10 AND 20 AND region IN ('north', 'east') OR TAGS = 'all'");
      const reader = await suite.reader(topic, 4, { mode, filter });
      const send = (body: string, properties: Record<string, string>, tag = 'some') =>
        suite.client.producer.send(outgoing(topic, body, { tag, properties: Object.entries(properties) }), soon());
      await send('too dear', { price: '21', region: 'north' });
      await send('in the south', { price: '15', region: 'south' });
      await send('without properties', {});
      await send('north', { price: '10', region: 'north' });
      await send('east', { price: '20', region: 'east' });
      await send('by its tag', {}, 'all');
      await reader.count(3);
      await reader.stop();
      expect(inOrder(reader.bodies)).toEqual(['by its tag', 'east', 'north']);
    });

    test('what a condition let through and nobody acknowledged comes again', async () => {
      const topic = `${mode}-conditions-again`;
      const options = { mode, filter: sqlFilter('price > 10'), ack: false, invisibleDurationMs: 3_000 };
      const reader = await suite.reader(topic, 4, options);
      const send = (body: string, price: string) =>
        suite.client.producer.send(outgoing(topic, body, { properties: [['price', price]] }), soon());
      await send('cheap', '9');
      await send('dear', '11');
      const [first, second] = await reader.count(2);
      expect(reader.bodies.slice(0, 2)).toEqual(['dear', 'dear']);
      expect([first?.reconsumeTimes, second?.reconsumeTimes]).toEqual([0, 1]);
      expect(second?.messageId).toBe(first?.messageId);
      await reader.stop();
    });

    test.each(['price >', "region = 'north"])('a condition that cannot be read is refused: %s', async (condition) => {
      const topic = await suite.topic(`${mode}-bad-conditions-${condition.length}`);
      const opened = suite.join(topic, { mode, filter: sqlFilter(condition) });
      await expect(opened).rejects.toMatchObject({ name: 'ClientError', kind: 'invalid' });
    });

    test('the same names in two namespaces are two topics and two groups', async () => {
      const open = async (namespace: string) => {
        const topic = wrapNamespace(namespace, `${mode}-orders`);
        const client = suite.clients.create({ namespace, producerGroup: wrapNamespace(namespace, 'producers') });
        await suite.topic(topic);
        const group = wrapNamespace(namespace, `${mode}-workers`);
        return { namespace, client, topic, reader: await Reader.open(client, { topic, group }, { mode }) };
      };
      const tenants = await Promise.all(['one', 'two', 'one-two'].map(open));
      for (const { client, namespace, topic } of tenants) {
        const messages = numbers(30).map((index) => outgoing(topic, `${namespace} ${index}`));
        await client.producer.sendBatch(messages.slice(0, 10), soon());
        await Promise.all(messages.slice(10).map((message) => client.producer.send(message, soon())));
      }
      for (const { namespace, reader } of tenants) {
        await reader.count(30);
        await reader.stop();
        expect(inOrder(reader.bodies)).toEqual(inOrder(numbers(30).map((index) => `${namespace} ${index}`)));
        for (const { properties, topic } of reader.messages) {
          expect(properties.get('INSTANCE_ID')).toBe(namespace);
          expect(unwrapNamespace(namespace, topic)).toBe(`${mode}-orders`);
        }
      }
    });

    test('what comes again comes to its own namespace only', async () => {
      const open = async (namespace: string): Promise<Reader> => {
        const topic = wrapNamespace(namespace, `${mode}-retried`);
        const client = suite.clients.create({ namespace, producerGroup: wrapNamespace(namespace, 'producers') });
        await suite.topic(topic);
        const group = wrapNamespace(namespace, `${mode}-retrying`);
        const options = { mode, ack: false, invisibleDurationMs: 3_000 };
        const reader = await Reader.open(client, { topic, group }, options);
        await client.producer.send(outgoing(topic, namespace), soon());
        return reader;
      };
      const namespaces = ['three', 'four'];
      const readers = await Promise.all(namespaces.map(open));
      for (const [index, reader] of readers.entries()) {
        const messages = await reader.count(2);
        expect(messages.slice(0, 2).map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1]);
        expect(new Set(reader.bodies)).toEqual(new Set([namespaces[index]]));
        await reader.stop();
      }
    });
  });
}

/** A stream that has nothing is told of a message when it is there. One after the other: what they judge is how long it takes. */
export function describeWaiting(suite: ClientSuite, mode: ConsumeMode): void {
  /** Longest that brokers hold a question here: who is not woken hears of a message only then. */
  const pollDurationMs = 15_000;
  const filters: readonly (readonly [string, MessageFilter])[] = [
    ['all', parseTagFilter('*')],
    ['tags', parseTagFilter('wanted || other')],
    ['conditions', sqlFilter('price > 10')],
  ];

  describe(`waiting, mode ${mode}`, () => {
    test.each(filters)('for %s is woken by what it wants, also behind what it does not want', async (name, filter) => {
      const topic = `${mode}-waiting-${name}`;
      const send = (body: string, tag: string, price: string) =>
        suite.client.producer.send(outgoing(topic, body, { tag, properties: [['price', price]] }), soon());
      const reader = await suite.reader(topic, 1, { filter, mode, pollDurationMs });
      const wanted = (): string[] => reader.bodies.filter((body) => body.startsWith('wanted'));
      const waitedMs: number[] = [];
      for (const round of numbers(4)) {
        for (const number of numbers(3)) await send(`not ${number}`, 'not', '9');
        const startedMs = Date.now();
        await send(`wanted ${round}`, 'wanted', '11');
        await reader.until(() => wanted().length === round + 1);
        waitedMs.push(Date.now() - startedMs);
      }
      // Who is never woken waits for the end of a poll each time. Apache's broker itself now and then overlooks a question that
      // its PopLongPollingService has in hand, and a JVM may do all of this for the first time: so the best of them is judged.
      expect(Math.min(...waitedMs)).toBeLessThan(pollDurationMs / 2);
      expect(reader.bodies.length).toBe(name === 'all' ? 16 : 4);
      await reader.stop();
    });
  });
}

/** What only a client that pulls can tell: how far it is with each queue. */
export function describePulling(suite: ClientSuite): void {
  const mode = 'pull';

  describe.concurrent('receiving by pull', () => {
    test('offsets are stored behind what is done, and behind what the group does not want', async () => {
      const topic = 'pulled-offsets';
      const reader = await suite.reader(topic, 1, { mode, tags: 'Aa || other' });
      for (const tag of ['BB', 'Aa', 'none', 'other', 'BB'])
        await suite.client.producer.send(outgoing(topic, tag, { tag }), soon());
      await vi.waitFor(async () => expect(await suite.committed(topic)).toBe(5), withinMinute);
      expect(reader.bodies).toEqual(['Aa', 'other']);
      await reader.stop();
    });

    test('a second filter for the same topic and group is refused, naming the first', async () => {
      const topic = 'pulled-filters';
      const reader = await suite.reader(topic, 1, { mode, tags: 'Aa || other' });
      await expect(suite.join(topic, { mode, tags: 'BB' })).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('Aa || other'),
      });
      await reader.stop();
    });

    test('what came again is done with in the retry topic too', async () => {
      const topic = 'pulled-again';
      const reader = await suite.reader(topic, 1, { mode, ack: false, invisibleDurationMs: 3_000 });
      await suite.send(topic, 'one');
      const again = await reader.nth(1);
      await reader.consumer.ack(again.receipt, soon());
      await reader.stop();
      expect(await suite.committed(topic)).toBe(1);
      expect(await suite.committed(`%RETRY%${groupOf(topic)}`, 0, groupOf(topic))).toBe(1);
    });
  });
}
