import { expect, onTestFinished, test } from 'vitest';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { soon } from '../../support/real-client.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';
import type { Answer } from '../../support/scripted-peer.ts';

const { INVOKE_BROKER_TO_RESET_OFFSET, GET_CONSUMER_LIST_BY_GROUP, UPDATE_CONSUMER_OFFSET } = RequestCode;
const reset = { group: 'g', topic: 'topic', to: 5 } as const;
const nobody: Answer = { code: ResponseCode.SYSTEM_ERROR, remark: 'no consumer for this group' };
const somebody: Answer = { body: Buffer.from('{"consumerIdList":["one"]}') };

async function startBroker(answers: { readonly reset: Answer; readonly members: Answer }) {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  cluster.broker
    .on(INVOKE_BROKER_TO_RESET_OFFSET, () => answers.reset)
    .on(GET_CONSUMER_LIST_BY_GROUP, () => answers.members)
    .on(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, ({ extFields }) => ({
      extFields: { offset: `1${extFields['queueId']}` },
    }))
    .on(RequestCode.GET_MAX_OFFSET, () => ({ extFields: { offset: '99' } }));
  return { ...cluster, admin: cluster.client().admin };
}

test('a broker that moves groups by itself is only asked to', async () => {
  const body = Buffer.from('{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"topic"}:7}}');
  const { admin, broker } = await startBroker({ reset: { body }, members: nobody });
  expect(await admin.resetOffsets(reset, soon())).toEqual([
    { queue: { brokerName: 'broker-a', queueId: 1, topic: 'topic' }, offset: 7 },
  ]);
  // Brokers 4.x fail on a language that they do not know.
  expect(broker.requests(INVOKE_BROKER_TO_RESET_OFFSET)[0]?.language).toBe('OTHER');
  expect(broker.requests(GET_CONSUMER_LIST_BY_GROUP)[0]?.language ?? 'NODE_JS').toBe('NODE_JS');
  expect(broker.requests(INVOKE_BROKER_TO_RESET_OFFSET)[0]?.extFields).toEqual({
    topic: 'topic',
    group: 'g',
    timestamp: '5',
    isForce: 'true',
  });
  expect(broker.requests(UPDATE_CONSUMER_OFFSET)).toEqual([]);
});

test.each([ResponseCode.CONSUMER_NOT_ONLINE, ResponseCode.SYSTEM_ERROR])(
  'where a broker refuses with %i and nobody is in the group, the offsets are written',
  async (code) => {
    const { admin, broker } = await startBroker({ reset: { code }, members: nobody });
    let [writingCount, writingMax] = [0, 0];
    // Brokers keep one of several that come at once.
    broker.on(UPDATE_CONSUMER_OFFSET, async () => {
      writingCount += 1;
      writingMax = Math.max(writingMax, writingCount);
      await new Promise((resolve) => setImmediate(resolve));
      writingCount -= 1;
      return {};
    });
    const moved = await admin.resetOffsets(reset, soon());
    expect(moved.map(({ queue, offset }) => [queue.queueId, offset])).toEqual([
      [0, 10],
      [1, 11],
      [2, 12],
      [3, 13],
    ]);
    expect(writingMax).toBe(1);
    const written = broker.requests(UPDATE_CONSUMER_OFFSET).map(({ extFields }) => extFields);
    expect(written).toContainEqual({ topic: 'topic', queueId: '2', consumerGroup: 'g', commitOffset: '12' });
    const toEnd = await admin.resetOffsets({ ...reset, to: 'end' }, soon());
    expect(toEnd.map(({ offset }) => offset)).toEqual([99, 99, 99, 99]);
    expect(broker.requests(INVOKE_BROKER_TO_RESET_OFFSET)[1]?.extFields['timestamp']).toBe('-1');
  },
);

test('where somebody is in the group, or that is not known, nothing is written behind their back', async () => {
  const refused = { code: ResponseCode.SYSTEM_ERROR, remark: 'no offset' };
  for (const members of [somebody, { code: ResponseCode.SYSTEM_BUSY }]) {
    const { admin, broker } = await startBroker({ reset: refused, members });
    await expect(admin.resetOffsets(reset, soon())).rejects.toMatchObject({ name: 'PartialFailureError' });
    expect(broker.requests(UPDATE_CONSUMER_OFFSET)).toEqual([]);
  }
});
