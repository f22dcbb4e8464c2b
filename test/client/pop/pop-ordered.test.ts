import { describe, expect, onTestFinished, test } from 'vitest';
import type { Intercept } from '../../../src/broker/options.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { parseTagFilter } from '../../../src/client/message-filter.ts';
import { OrderedTakes, orderedPopsAtOnce } from '../../../src/client/pop/pop-ordered.ts';
import type { PopAttempt, PopSource } from '../../../src/client/pop/pop-requests.ts';
import { RemotingError } from '../../../src/remoting/errors.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { startTestEngine } from '../../support/engine-client.ts';
import { outgoing, Reader, RealClients, soon } from '../../support/real-client.ts';
import {
  consumerDefaults,
  nothingFound,
  popAnswer,
  read,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';

const { ACK_MESSAGE, NOTIFICATION, POP_MESSAGE } = RequestCode;
const subscriber = { group: 'g', topic: 'orders' };
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** An engine with topic `orders`. */
async function start(queueCount: number, intercept?: Intercept) {
  const { engine, nameServer } = await startTestEngine(intercept === undefined ? {} : { intercept });
  await engine.topics.put(newTopic('orders', queueCount), engine.state);
  const clients = new RealClients(nameServer);
  onTestFinished(() => clients.close());
  return clients;
}

describe('on the engine', () => {
  test('what the broker handed out in an answer that got lost is asked for again, not waited for', {
    timeout: 20_000,
  }, async () => {
    let lostCount = 0;
    const clients = await start(4, async (request, proceed, connection) => {
      const answer = await proceed();
      const isTaken = request.code === POP_MESSAGE && (answer?.body?.length ?? 0) > 0;
      if (!isTaken || lostCount >= 3) return answer;
      lostCount += 1;
      connection.close('was cut by a test');
      return undefined;
    });
    const client = clients.create();
    const all = numbers(20).map((number) => outgoing('orders', String(number), { shardingKey: String(number) }));
    for (const message of all) await client.producer.send(message, soon());
    // None of them would come again before the test is over.
    const reader = await Reader.open(client, subscriber, { orderly: true, invisibleDurationMs: 300_000 });
    await reader.count(20);
    expect(lostCount).toBe(3);
    expect(reader.bodies.map(Number).toSorted((one, other) => one - other)).toEqual(numbers(20));
    expect(new Set(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes))).toEqual(new Set([0]));
    await reader.stop();
  });

  test('what the filter does not want holds nothing up', async () => {
    const clients = await start(1);
    const client = clients.create();
    // Both have the hash by which brokers compare.
    for (const tag of ['BB', 'BB', 'Aa', 'BB', 'Aa']) {
      await client.producer.send(outgoing('orders', tag, { tag }), soon());
    }
    const reader = await Reader.open(client, subscriber, { orderly: true, tags: 'Aa' });
    const startedMs = performance.now();
    await reader.count(2);
    expect(performance.now() - startedMs).toBeLessThan(900);
    expect(reader.bodies).toEqual(['Aa', 'Aa']);
    await reader.stop();
  });

  test('a reader in turn gets all of a backlog, each queue in its order', { timeout: 20_000 }, async () => {
    const clients = await start(8);
    const client = clients.create();
    await Promise.all(numbers(400).map((number) => client.producer.send(outgoing('orders', String(number)), soon())));
    const reader = await Reader.open(client, subscriber, { orderly: true });
    await reader.count(400);
    const last = new Map<number, bigint>();
    for (const { receipt } of reader.messages) {
      expect(receipt.queueOffset).toBe((last.get(receipt.queueId) ?? -1n) + 1n);
      last.set(receipt.queueId, receipt.queueOffset);
    }
    await reader.stop();
  });
});

test('an ack takes the next message while the broker still holds the question', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const { broker } = cluster;
  let offset = 0n;
  broker.on(POP_MESSAGE, (request) => {
    const isFree = BigInt(broker.requests(ACK_MESSAGE).length) >= offset;
    if (!isFree) return nothingFound();
    offset += 1n;
    return popAnswer(request, { messages: [{ queueOffset: offset, body: Buffer.from(String(offset)) }] });
  });
  broker.on(NOTIFICATION, () => undefined);
  const consumer = cluster.client().popConsumer({ ...consumerDefaults, orderly: true });
  const stream = consumer.stream({ messagesMax: 10, signal: new AbortController().signal });
  let [message] = await read(stream, 1);
  for (const number of [1, 2, 3]) {
    expect(message?.body.toString()).toBe(String(number));
    // As a reader that works on several at once: it waits for the next one already.
    const next = read(stream, 1);
    await broker.request(NOTIFICATION);
    if (message !== undefined) await consumer.ack(message.receipt, soon());
    [message] = await next;
  }
  expect(broker.requests(NOTIFICATION).length).toBe(1);
  const [held] = broker.requests(NOTIFICATION);
  // Brokers wake nobody for a queue that becomes free.
  expect(held?.extFields).toMatchObject({ order: 'true', pollTime: '1000' });
  const pops = broker.requests(POP_MESSAGE).map(({ extFields }) => extFields);
  expect(new Set(pops.map((fields) => fields['maxMsgNums']))).toEqual(new Set(['1']));
  expect(new Set(pops.map((fields) => fields['attemptId'])).size).toBe(pops.length);
});

describe('OrderedTakes', () => {
  const filter = parseTagFilter('*');
  const source = { subscriber, filter, brokerName: 'broker-a' } as unknown as PopSource;

  test(`take with ${orderedPopsAtOnce} POPs side by side at most, one where nothing has become free`, async () => {
    let atOnce = 0;
    let most = 0;
    let left = 100;
    const takes = new OrderedTakes({
      canTake: () => true,
      holds: () => false,
      take: async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce -= 1;
        left -= 1;
        return left >= 0 ? 1 : 0;
      },
    });
    expect(takes.isDue('broker-a')).toBe(false);
    for (const _ of numbers(20)) takes.free('broker-a');
    expect([takes.isDue('broker-a'), takes.isDue('broker-b')]).toEqual([true, false]);
    expect(await takes.takeAll(source, 4)).toBe(true);
    expect(most).toBe(orderedPopsAtOnce);
    expect(takes.isDue('broker-a')).toBe(false);
    most = 0;
    expect(await takes.takeAll(source, 4)).toBe(false);
    expect(most).toBe(1);
  });

  test('fail only when all that was sent has ended: what it brings must not be forgotten', async () => {
    let endedCount = 0;
    let startedCount = 0;
    const takes = new OrderedTakes({
      canTake: () => true,
      holds: () => false,
      take: async () => {
        startedCount += 1;
        if (startedCount === 1) throw new Error('refused');
        await new Promise((resolve) => setTimeout(resolve, 20));
        endedCount += 1;
        return 0;
      },
    });
    for (const _ of numbers(3)) takes.free('broker-a');
    await expect(takes.takeAll(source, 4)).rejects.toThrow('refused');
    expect(endedCount).toBe(2);
  });

  test('ask again by the same name where it may have taken something: in each queue of which nothing is here', async () => {
    const asked: PopAttempt[] = [];
    const answers: (number | Error)[] = [lost(), 0, 1, 0, 0];
    const takes = new OrderedTakes({
      canTake: () => true,
      holds: (brokerName, queueId) => brokerName === 'broker-a' && queueId === 1,
      take: async (_source, attempt) => {
        asked.push(attempt);
        const answer = answers.shift() ?? 0;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
    await expect(takes.takeAll(source, 4)).rejects.toMatchObject({ kind: 'closed' });
    expect(await takes.takeAll(source, 4)).toBe(true);
    const [first] = asked;
    expect(asked.map(({ queueId }) => queueId)).toEqual([undefined, 0, 2, 3, undefined]);
    expect(asked.slice(0, 4).every(({ attemptId }) => attemptId === first?.attemptId)).toBe(true);
    expect(asked[4]?.attemptId).not.toBe(first?.attemptId);
    // Once is enough.
    await takes.takeAll(source, 4);
    expect(asked.length).toBe(6);
  });
});

function lost(): RemotingError {
  return new RemotingError('closed', 'cut', { outcomeUnknown: true });
}
