import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConsumeFrom } from '../../../src/client/consume-from.ts';
import { Offsets } from '../../../src/client/pull/offsets.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { routesScript, type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';

const {
  GET_MAX_OFFSET,
  GET_MIN_OFFSET,
  GET_ROUTEINFO_BY_TOPIC,
  QUERY_CONSUMER_OFFSET,
  SEARCH_OFFSET_BY_TIMESTAMP,
  UPDATE_CONSUMER_OFFSET,
} = RequestCode;
const queue = { topic: 'topic', brokerName: 'broker-a', queueId: 2 };
const soon = (): Deadline => Deadline.after(10_000);

describe('Offsets', () => {
  let cluster: ScriptedCluster;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    const answer = (offset: number) => () => ({ extFields: { offset: String(offset) } });
    cluster.broker
      .on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.QUERY_NOT_FOUND }))
      .on(GET_MIN_OFFSET, answer(3))
      .on(GET_MAX_OFFSET, answer(9))
      .on(SEARCH_OFFSET_BY_TIMESTAMP, answer(6));
  });

  afterEach(() => cluster.stop());

  const offsetsOf = (from: ConsumeFrom = { kind: 'last' }): Offsets =>
    new Offsets(pullParts(cluster).cluster, 'g', from);
  const stored = (): unknown[] =>
    cluster.broker.requests(UPDATE_CONSUMER_OFFSET).map(({ extFields }) => Number(extFields['commitOffset']));

  test.each<[ConsumeFrom, bigint]>([
    [{ kind: 'first' }, 3n],
    [{ kind: 'last' }, 9n],
    [{ kind: 'timestamp', timestampMs: 1_700_000_000_000 }, 6n],
  ])('a group that is new to a queue begins by %j at %i', async (from, offset) => {
    expect(await offsetsOf(from).first(queue, soon())).toBe(offset);
    // A young queue shall not count as a place of the group where a time was asked for.
    const [query] = cluster.broker.requests(QUERY_CONSUMER_OFFSET);
    expect(query?.extFields['setZeroIfNotFound']).toBe(from.kind === 'timestamp' ? 'false' : undefined);
  });

  test('a group with a place goes on there', async () => {
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => ({ extFields: { offset: '7' } }));
    expect(await offsetsOf({ kind: 'first' }).first(queue, soon())).toBe(7n);
  });

  test('a retry topic begins with its first message', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ '%RETRY%g': cluster.queues }));
    expect(await offsetsOf().first({ ...queue, topic: '%RETRY%g' }, soon())).toBe(0n);
  });

  test('the first place in a topic is stored alone, since brokers would keep one of several; later ones side by side', async () => {
    const offsets = offsetsOf();
    const answers = Array.from({ length: 4 }, () => deferred<object>());
    let asked = 0;
    cluster.broker.on(UPDATE_CONSUMER_OFFSET, () => answers[asked++]?.promise ?? {});
    const stores = [0, 1, 2].map((queueId) => offsets.store({ ...queue, queueId }, 5n, soon()));
    await vi.waitUntil(() => asked === 1, 20_000);
    // What was sent before this request is there with it.
    await offsets.first(queue, soon());
    expect(stored()).toHaveLength(1);
    answers[0]?.resolve({ code: ResponseCode.SYSTEM_ERROR });
    await expect(stores[0]).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
    await vi.waitUntil(() => asked === 3, 20_000);
    for (const { resolve } of answers) resolve({});
    await Promise.all(stores.slice(1));
    expect(stored()).toHaveLength(3);
  });

  test('no other answer leads to a place', async () => {
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.SYSTEM_BUSY }));
    await expect(offsetsOf().first(queue, soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_BUSY });
  });

  test('progress is stored once, and never goes back but by a move', async () => {
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => ({ extFields: { offset: '7' } }));
    const offsets = offsetsOf();
    await offsets.first(queue, soon());
    for (const offset of [7n, 8n, 8n, 5n, 9n]) await offsets.store(queue, offset, soon());
    expect(stored()).toEqual([8, 9]);
    await offsets.move(queue, 2n, soon());
    await offsets.store(queue, 3n, soon());
    expect(stored()).toEqual([8, 9, 2, 3]);
  });

  test('after a move that failed, progress from there is stored all the same', async () => {
    const offsets = offsetsOf();
    await offsets.store(queue, 9n, soon());
    cluster.broker.on(UPDATE_CONSUMER_OFFSET, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    await expect(offsets.move(queue, 2n, soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
    cluster.broker.on(UPDATE_CONSUMER_OFFSET, () => ({}));
    await offsets.store(queue, 4n, soon());
    expect(stored()).toEqual([9, 2, 4]);
  });
});
