import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { BrokerOptions } from '../../../src/broker/options.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { notification } from '../../../src/remoting/requests/notification.ts';
import { pollingInfo } from '../../../src/remoting/requests/polling-info.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';
import { ack, only, pop, popGroup, popTopic } from '../../support/pop-client.ts';

async function start(options: Partial<BrokerOptions> = {}) {
  const clock = new VirtualClock(1_700_000_000_000);
  const broker = await startTestEngine({ clock, ...options });
  const { engine } = broker;
  await engine.topics.put(newTopic(popTopic, 2), engine.state);
  const client = await connectEngine(broker.brokerAddress);
  const place = { consumerGroup: popGroup, topic: popTopic, queueId: -1 };
  type Fields = Parameters<typeof notification.encode>[0];
  const ask = async (changes: Partial<Fields> = {}) => {
    const request = notification.encode({ ...place, pollDurationMs: 0, bornTimeMs: 0, ...changes });
    const { code, extFields } = await client.invoke(request, 30_000);
    return { code, hasMessage: extFields['hasMsg'], pollingFull: extFields['pollingFull'] };
  };
  const polls = async (changes: Partial<typeof place> = {}): Promise<number> =>
    (await client.ask(pollingInfo, { ...place, ...changes })).pollCount;
  const held = async (count = 1): Promise<void> => {
    while (engine.held.count < count) await sleep(1);
  };
  return { clock, engine, client, ask, polls, held };
}

const yes = { code: 0, hasMessage: 'true', pollingFull: 'false' };
const no = { code: 0, hasMessage: 'false', pollingFull: 'false' };

describe('NOTIFICATION', () => {
  test('says whether a POP would find something, and takes nothing', async () => {
    const { client, ask } = await start();
    expect(await ask()).toEqual(no);
    await client.send(popTopic, 'a', { queueId: 1 });
    expect(await ask()).toEqual(yes);
    expect(await ask({ queueId: 1 })).toEqual(yes);
    expect(await ask({ queueId: 0 })).toEqual(no);
    expect((await pop(client)).bodies).toEqual(['a']);
    expect(await ask()).toEqual(no);
  });

  test('waits for what comes, and for what is visible again', async () => {
    const { client, ask, held, clock } = await start();
    const first = ask({ pollDurationMs: 20_000 });
    await held();
    await client.send(popTopic, 'a');
    expect(await first).toEqual(yes);
    await pop(client);
    const second = ask({ pollDurationMs: 20_000 });
    await held();
    await clock.advance(30_000);
    expect(await second).toEqual(yes);
  });

  test('waits for what an ordered POP may take', async () => {
    const { client, ask, held } = await start();
    for (const body of ['a', 'b']) await client.send(popTopic, body);
    const { receipt } = only(await pop(client, { order: true, messageCountMax: 1, attemptId: 'one' }));
    expect(await ask()).toEqual(yes);
    expect(await ask({ order: true, attemptId: 'one' })).toEqual(yes);
    expect(await ask({ order: true, attemptId: 'two' })).toEqual(no);
    const answer = ask({ order: true, pollDurationMs: 20_000 });
    await held();
    await ack(client, receipt);
    expect(await answer).toEqual(yes);
  });

  test('waits for room', async () => {
    const { client, ask, held } = await start({ popInFlightCountMax: 1 });
    for (const body of ['a', 'b']) await client.send(popTopic, body);
    const { receipt } = only(await pop(client));
    const answer = ask({ pollDurationMs: 20_000 });
    await held();
    await ack(client, receipt);
    expect(await answer).toEqual(yes);
  });

  test('ends on time', async () => {
    const { ask } = await start();
    const startedMs = performance.now();
    expect(await ask({ pollDurationMs: 200 })).toEqual(no);
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(195);
    expect(tookMs).toBeLessThan(2_000);
  });

  test('says when too many wait already', async () => {
    const { ask, held, client } = await start({ heldRequestCountMax: 1 });
    const first = ask({ pollDurationMs: 20_000 });
    await held();
    expect(await ask({ pollDurationMs: 20_000 })).toEqual({ ...no, pollingFull: 'true' });
    await client.send(popTopic, 'a');
    expect(await first).toEqual(yes);
  });

  test('is refused for a place that may not be read', async () => {
    const { ask } = await start();
    expect((await ask({ topic: 'nowhere' })).code).toBe(17);
    expect((await ask({ queueId: 2 })).code).toBe(29);
  });
});

describe('POLLING_INFO', () => {
  test('counts the POPs that wait, by what they wait for', async () => {
    const { client, polls, held, ask } = await start();
    const waiting = { pollDurationMs: 20_000 };
    const answers = [pop(client, waiting), pop(client, waiting), pop(client, { ...waiting, queueId: 1 })];
    const notified = ask(waiting);
    await held(4);
    expect(await polls()).toBe(2);
    expect(await polls({ queueId: 1 })).toBe(1);
    expect(await polls({ queueId: 0 })).toBe(0);
    expect(await polls({ consumerGroup: 'others' })).toBe(0);
    for (const [at, body] of ['a', 'b', 'c'].entries())
      await client.send(popTopic, body, { queueId: at === 2 ? 1 : 0 });
    await Promise.all([...answers, notified]);
    expect(await polls()).toBe(0);
  });

  test('is refused for a topic that is not there', async () => {
    const { polls } = await start();
    await expect(polls({ topic: 'nowhere' })).rejects.toMatchObject({ code: 17 });
  });
});
