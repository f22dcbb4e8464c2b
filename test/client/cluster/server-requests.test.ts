import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseTagFilter } from '../../../src/client/message-filter.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { type JsonObject, readJsonObject } from '../../../src/remoting/json.ts';
import { readQueueTable } from '../../../src/remoting/message-queues.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type GroupMember, GroupMembers } from '../../support/group-members.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';

/** What a client answers brokers and, through them, operators' tools. */
describe('requests of a broker', () => {
  let cluster: ScriptedCluster;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    const consumer = cluster.client().popConsumer({
      subscriber: { group: 'readers', topic: 'topic' },
      filter: parseTagFilter('a || b'),
      invisibleDurationMs: 30_000,
      renewalDurationMs: 0,
      pollDurationMs: 1_000,
    });
    await consumer.open(Deadline.after(10_000));
  });

  afterEach(() => cluster.stop());

  async function ask(code: number, extFields: Record<string, string> = {}): Promise<Command> {
    const [connection] = cluster.broker.openConnections;
    if (connection === undefined) throw new Error('no connection');
    const before = connection.received.length;
    connection.ask({ code, extFields, flag: 0, opaque: 77 });
    await cluster.broker.until(() => connection.received.length > before);
    const reply = connection.received[before];
    if (reply === undefined) throw new Error('no reply');
    expect(reply).toMatchObject({ opaque: 77, flag: 1 });
    return reply;
  }

  test.each([RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, RequestCode.CHECK_TRANSACTION_STATE])(
    'code %i is answered, with nothing in it',
    async (code) => {
      const extFields = { tranStateTableOffset: '0', commitLogOffset: '0' };
      expect(await ask(code, extFields)).toMatchObject({ code: ResponseCode.SUCCESS, body: Buffer.alloc(0) });
    },
  );

  test('running info shows what a group reads here', async () => {
    const reply = await ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'readers', clientId: 'me' });
    expect(reply.code).toBe(ResponseCode.SUCCESS);
    expect(JSON.parse(reply.body.toString())).toMatchObject({
      properties: { PROP_CONSUME_TYPE: 'CONSUME_POP' },
      subscriptionSet: [{ topic: 'topic', subString: 'a || b', expressionType: 'TAG' }],
    });
    const other = await ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'others', clientId: 'me' });
    expect(JSON.parse(other.body.toString()).subscriptionSet).toEqual([]);
  });

  test('offsets are kept by the broker: there are none here', async () => {
    const reply = await ask(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, { topic: 'topic', group: 'readers' });
    expect(JSON.parse(reply.body.toString())).toEqual({ messageQueueTable: {}, consumerTable: {} });
  });

  test('a tool cannot make a reader consume', async () => {
    const reply = await ask(RequestCode.CONSUME_MESSAGE_DIRECTLY);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ consumeResult: 'CR_THROW_EXCEPTION' });
  });

  test('anything else is not supported', async () => {
    expect((await ask(9_999)).code).toBe(ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
  });
});

describe('requests of a broker to a group that receives by pull', () => {
  let cluster: ScriptedCluster;
  let members: GroupMembers;
  let member: GroupMember;
  const resets: string[] = [];
  let onReset: () => void;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    cluster.broker.on(RequestCode.GET_CONSUMER_LIST_BY_GROUP, () => ({
      body: Buffer.from('{"consumerIdList":["me"]}'),
    }));
    members = new GroupMembers(cluster.nameServer.address);
    resets.length = 0;
    onReset = () => {};
    member = members.start({
      clientId: 'me',
      onReset: async (offsets) => {
        for (const [{ topic, queueId }, offset] of offsets) resets.push(`${topic} ${queueId} ${offset}`);
        onReset();
      },
      progressOf: ({ queueId }) => (queueId > 1 ? undefined : { ...progress, commitOffset: BigInt(10 + queueId) }),
    });
    member.rebalancer.subscribe({ topic: 'topic', expression: 'a > 1', expressionType: 'SQL92', version: 5 });
    await members.until(() => member.queues.length === 4);
  });

  afterEach(async () => {
    await members.stop();
    await cluster.stop();
  });

  const progress = {
    commitOffset: 0n,
    cachedCount: 3,
    cachedBytes: 2_500_000,
    cachedMinOffset: 12n,
    cachedMaxOffset: 14n,
    lastPullTimestampMs: 1_700_000_000_001,
    lastConsumeTimestampMs: 1_700_000_000_002,
  };

  function connection() {
    const [open] = cluster.broker.openConnections;
    if (open === undefined) throw new Error('no connection');
    return open;
  }

  async function ask(code: number, extFields: Record<string, string>): Promise<JsonObject> {
    const { received } = connection();
    const before = received.length;
    connection().ask({ code, extFields, flag: 0, opaque: 77 });
    await cluster.broker.until(() => received.length > before);
    const reply = received[before];
    if (reply === undefined) throw new Error('no reply');
    expect(reply).toMatchObject({ opaque: 77, flag: 1, code: ResponseCode.SUCCESS });
    return readJsonObject(reply.body, 'a reply');
  }

  test('it hears that members came or left', async () => {
    const { GET_CONSUMER_LIST_BY_GROUP, NOTIFY_CONSUMER_IDS_CHANGED } = RequestCode;
    const before = cluster.broker.requests(GET_CONSUMER_LIST_BY_GROUP).length;
    connection().ask({ code: NOTIFY_CONSUMER_IDS_CHANGED, extFields: { consumerGroup: 'readers' } });
    await cluster.broker.request(GET_CONSUMER_LIST_BY_GROUP, before);
  });

  test('an operator moves it: it is told of the queues that it has', async () => {
    const moved = new Promise<void>((resolve) => {
      onReset = resolve;
    });
    const table = [0, 3, 9].map(
      (queueId) => `{"brokerName":"broker-a","queueId":${queueId},"topic":"topic"}:${queueId + 7}`,
    );
    const reset = (group: string, rows: readonly string[]) =>
      connection().ask({
        code: RequestCode.RESET_CONSUMER_CLIENT_OFFSET,
        extFields: { topic: 'topic', group, timestamp: '0', isForce: 'true' },
        body: Buffer.from(`{"offsetTable":{${rows.join(',')}}}`),
      });
    reset('others', table);
    reset('readers', table.slice(2));
    reset('readers', table);
    await moved;
    expect(resets).toEqual(['topic 0 7', 'topic 3 10']);
    expect(member.log.troubles).toEqual([]);
  });

  test('a reset that fails is told to the log', async () => {
    onReset = () => {
      throw new Error('no');
    };
    const trouble = member.log.trouble();
    await member.rebalancer.reset(new Map([[{ topic: 'topic', brokerName: 'broker-a', queueId: 0 }, 1n]]));
    expect(await trouble).toBe('a consumer group could not be moved to the offsets that an operator chose');
  });

  test('a tool sees how far it is in each queue', async () => {
    const status = await ask(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, { topic: 'topic', group: 'readers' });
    const offsets = readQueueTable(status, 'messageQueueTable').map(([{ queueId }, offset]) => [queueId, offset]);
    expect(offsets).toEqual([
      [0, 10],
      [1, 11],
    ]);
    const other = await ask(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, { topic: 'none', group: 'readers' });
    expect(other['messageQueueTable']).toEqual({});
  });

  test('a tool sees what it does', async () => {
    const info = await ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'readers', clientId: 'me' });
    expect(info).toMatchObject({
      properties: {
        PROP_CONSUME_TYPE: 'CONSUME_PASSIVELY',
        PROP_CONSUMEORDERLY: 'false',
        PROP_CONSUMER_START_TIMESTAMP: String(member.rebalancer.startTimestampMs),
      },
      subscriptionSet: [
        { topic: 'topic', subString: 'a > 1', expressionType: 'SQL92', subVersion: 5 },
        { topic: '%RETRY%readers', subString: '*', expressionType: 'TAG' },
      ],
    });
    const queues = readQueueTable(info, 'mqTable').filter(([{ topic }]) => topic === 'topic');
    expect(queues).toHaveLength(2);
    expect(queues[1]).toEqual([
      { topic: 'topic', brokerName: 'broker-a', queueId: 1 },
      {
        commitOffset: 11,
        cachedMsgMinOffset: 12,
        cachedMsgMaxOffset: 14,
        cachedMsgCount: 3,
        cachedMsgSizeInMiB: 2,
        locked: false,
        droped: false,
        lastPullTimestamp: 1_700_000_000_001,
        lastConsumeTimestamp: 1_700_000_000_002,
      },
    ]);
  });
});
