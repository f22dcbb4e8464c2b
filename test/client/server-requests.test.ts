import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import type { Command } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { type ScriptedCluster, startScriptedCluster } from '../support/scripted-cluster.ts';

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

  test.each([
    RequestCode.NOTIFY_CONSUMER_IDS_CHANGED,
    RequestCode.RESET_CONSUMER_CLIENT_OFFSET,
    RequestCode.CHECK_TRANSACTION_STATE,
  ])('code %i is answered, with nothing in it', async (code) => {
    const extFields = { tranStateTableOffset: '0', commitLogOffset: '0' };
    expect(await ask(code, extFields)).toMatchObject({ code: ResponseCode.SUCCESS, body: Buffer.alloc(0) });
  });

  test('running info shows what a group reads here', async () => {
    const reply = await ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'readers' });
    expect(reply.code).toBe(ResponseCode.SUCCESS);
    expect(JSON.parse(reply.body.toString())).toMatchObject({
      properties: { PROP_CONSUME_TYPE: 'CONSUME_POP' },
      subscriptionSet: [{ topic: 'topic', subString: 'a || b', expressionType: 'TAG' }],
    });
    const other = await ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'others' });
    expect(JSON.parse(other.body.toString()).subscriptionSet).toEqual([]);
  });

  test('offsets are kept by the broker: there are none here', async () => {
    const reply = await ask(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT);
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
