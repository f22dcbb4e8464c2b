import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeConsumerConnections } from '../../../src/remoting/requests/client-connections.ts';
import { encodeTopicStats } from '../../../src/remoting/requests/get-topic-stats.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { soon } from '../../support/real-client.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';

const { GET_CONSUMER_CONNECTION_LIST, GET_TOPIC_STATS_INFO, QUERY_CONSUMER_OFFSET } = RequestCode;

/** Of each queue of a topic: first offset, next offset. */
type Queues = readonly (readonly [number, number])[];

describe('the lag of a group', () => {
  let cluster: ScriptedCluster;
  let ours: ClusterClient;

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
    onTestFinished(() => cluster.stop());
    ours = cluster.client();
  });

  /** What broker number `index` has; offsets by topic and queue, none where the group has not begun. */
  function fill(
    index: number,
    topics: Readonly<Record<string, Queues>>,
    offsets: Readonly<Record<string, number>>,
  ): void {
    const brokerName = cluster.queues[index]?.brokerName ?? '';
    cluster.brokers[index]
      ?.on(GET_TOPIC_STATS_INFO, ({ extFields }) => {
        const queues = topics[extFields['topic'] ?? ''];
        if (queues === undefined) return { code: ResponseCode.TOPIC_NOT_EXIST };
        const stats = queues.map(([minOffset, maxOffset], queueId) => {
          const queue = { topic: extFields['topic'] ?? '', brokerName, queueId };
          return { queue, minOffset, maxOffset, lastUpdateTimestampMs: 0 };
        });
        return { body: encodeTopicStats(stats, 0) };
      })
      .on(QUERY_CONSUMER_OFFSET, ({ extFields }) => {
        const offset = offsets[`${extFields['topic']} ${extFields['queueId']}`];
        return offset === undefined
          ? { code: ResponseCode.QUERY_NOT_FOUND }
          : { extFields: { offset: String(offset) } };
      })
      .on(GET_CONSUMER_CONNECTION_LIST, () => ({ code: ResponseCode.CONSUMER_NOT_ONLINE }));
  }

  function connect(index: number, clientIds: readonly string[]): void {
    const connections = clientIds.map((clientId) => ({ clientId, address: 'h:1', language: 'GO', version: 1 }));
    cluster.brokers[index]?.on(GET_CONSUMER_CONNECTION_LIST, () => ({
      body: encodeConsumerConnections({
        ...{ connections, subscriptions: [], consumeType: 'CONSUME_POP', messageModel: 'CLUSTERING' },
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      }),
    }));
  }

  const lag = () => ours.admin.consumerLag({ group: 'g', topic: 'topic' }, soon());

  /** Topic, broker, queue, committed offset, lag. */
  const rows = async () =>
    (await lag()).queues.map(({ queue: { topic, brokerName, queueId }, maxOffset, committedOffset, lagCount }) =>
      [topic, brokerName, queueId, `${committedOffset}/${maxOffset}`, Number(lagCount)].join(' '),
    );

  it('is what each queue has that the group is not done with', async () => {
    fill(
      0,
      {
        topic: [
          [0, 10],
          [5, 10],
        ],
      },
      { 'topic 0': 4, 'topic 1': 10 },
    );
    fill(
      1,
      {
        topic: [
          [0, 3],
          [7, 9],
        ],
      },
      {},
    );
    expect(await rows()).toEqual([
      'topic broker-a 0 4/10 6',
      'topic broker-a 1 10/10 0',
      // Where it has not begun: all that there is.
      'topic broker-b 0 undefined/3 3',
      'topic broker-b 1 undefined/9 2',
    ]);
    const asked = cluster.brokers.flatMap((peer) => peer.requests(QUERY_CONSUMER_OFFSET));
    // Brokers of 5.x would say 0 of young queues else.
    expect(new Set(asked.map(({ extFields }) => extFields['setZeroIfNotFound']))).toEqual(new Set(['false']));
    expect(asked).toHaveLength(4);
  });

  it('counts no message that is gone, and is none where the group is ahead of the queue', async () => {
    fill(
      0,
      {
        topic: [
          [5, 10],
          [0, 3],
        ],
      },
      { 'topic 0': 2, 'topic 1': 99 },
    );
    fill(1, { topic: [] }, {});
    expect(await rows()).toEqual(['topic broker-a 0 2/10 5', 'topic broker-a 1 99/3 0']);
  });

  it('has what comes again, of whichever kind, where there ever was something', async () => {
    const topics: Record<string, Queues> = {
      topic: [[0, 1]],
      '%RETRY%g': [[0, 2]],
      '%RETRY%g_topic': [[0, 3]],
      '%RETRY%g+topic': [[0, 0]],
    };
    fill(0, topics, { 'topic 0': 1, '%RETRY%g_topic 0': 1 });
    fill(1, { topic: [] }, {});
    expect(await rows()).toEqual([
      '%RETRY%g broker-a 0 undefined/2 2',
      '%RETRY%g_topic broker-a 0 1/3 2',
      'topic broker-a 0 1/1 0',
    ]);
  });

  it('names each member once, to however many brokers it is connected', async () => {
    for (const index of [0, 1]) fill(index, { topic: [] }, {});
    expect((await lag()).members).toEqual([]);
    connect(0, ['a', 'b']);
    connect(1, ['b', 'c']);
    expect((await lag()).members.map(({ clientId }) => clientId)).toEqual(['a', 'b', 'c']);
  });

  it('is that of all brokers, or none', async () => {
    for (const index of [0, 1]) fill(index, { topic: [[0, 1]] }, {});
    cluster.brokers[1]?.on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.SYSTEM_BUSY }));
    await expect(lag()).rejects.toMatchObject({
      name: 'PartialFailureError',
      cause: { code: ResponseCode.SYSTEM_BUSY },
    });
    fill(1, {}, {});
    await expect(lag()).rejects.toMatchObject({ cause: { code: ResponseCode.TOPIC_NOT_EXIST } });
    await expect(ours.admin.consumerLag({ group: 'g', topic: 'other' }, soon())).rejects.toMatchObject({
      kind: 'noRoute',
      message: 'topic other does not exist',
    });
  });

  it('is asked for no longer than its caller waits', async () => {
    for (const index of [0, 1]) fill(index, { topic: [[0, 1]] }, {});
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => undefined);
    const caller = new AbortController();
    const asking = ours.admin.consumerLag({ group: 'g', topic: 'topic' }, Deadline.after(30_000, caller.signal));
    await cluster.broker.request(QUERY_CONSUMER_OFFSET);
    caller.abort();
    await expect(asking).rejects.toMatchObject({ cause: { kind: 'cancelled' } });
  });
});
