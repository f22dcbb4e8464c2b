import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { SendMessagesRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createSendBatchHandlers } from '../../../src/proxy/send/send-batch.ts';
import type { SendOptions } from '../../../src/proxy/send/send-options.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import { type ScriptedCluster, sentProperties, storedAt } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { SEND_BATCH_MESSAGE, SEND_MESSAGE_V2 } = RequestCode;

describe('sending several messages at once', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let producerId: string;
  let sentCount: number;
  let reported: unknown[];

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    sentCount = 0;
    reported = [];
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' };
    producerId = parts.sessions.createProducer({ ...target, topic: 'topic', owner: '' });
  });

  type Draft = { readonly messageBody?: string; readonly delayTimeLevel?: bigint; readonly shardingKey?: string };

  async function send(drafts: readonly Draft[], writeTimeoutMs = 30_000) {
    const onSent = (count: number): void => {
      sentCount += count;
    };
    const onFailures: SendOptions['onFailures'] = (rpc, failures) => {
      reported.push([rpc, failures.length]);
    };
    const handlers = createSendBatchHandlers(parts, sendOptions({ writeTimeoutMs, onSent, onFailures }));
    const messages = drafts.map(({ shardingKey = '', messageBody = 'body', ...rest }) => ({
      messageBody,
      ...rest,
      properties: { shardingKey },
    }));
    const reply = await handlers.sendMessages(
      create(SendMessagesRequestSchema, { producerId, messages }),
      patientCall(),
    );
    return (reply.outcomes ?? []).map(({ outcome, messageId }) => {
      const { success, reason } = outcome ?? {};
      return { success, reason, messageId };
    });
  }

  /** A broker that stores batches; it says so for as many messages as these. */
  function storeBatches(count: number): void {
    cluster.broker.on(SEND_BATCH_MESSAGE, (request) => {
      const answer = storedAt(cluster.broker.address, request, 0n);
      const id = answer?.extFields?.['msgId'];
      return { extFields: { ...answer?.extFields, msgId: Array.from({ length: count }, () => id).join(',') } };
    });
  }

  it('takes one request for those that can go together', async () => {
    storeBatches(2);
    const outcomes = await send([{}, {}, { shardingKey: 'a' }, { shardingKey: 'a' }, { delayTimeLevel: 1n }]);
    expect(outcomes.map(({ success }) => success)).toEqual([true, true, true, true, true]);
    expect(new Set(outcomes.map(({ messageId }) => messageId)).size).toBe(5);
    expect(cluster.broker.requests(SEND_BATCH_MESSAGE)).toHaveLength(2);
    expect(cluster.broker.requests(SEND_MESSAGE_V2)).toHaveLength(1);
    expect(sentCount).toBe(5);
    expect(reported).toEqual([]);
  });

  it('finds out which message of a batch the broker does not want', async () => {
    cluster.broker.on(SEND_BATCH_MESSAGE, () => ({ code: ResponseCode.MESSAGE_ILLEGAL, remark: 'java.lang.X' }));
    cluster.broker.on(SEND_MESSAGE_V2, (request) =>
      request.body.toString() === 'bad'
        ? { code: ResponseCode.MESSAGE_ILLEGAL, remark: 'java.lang.X' }
        : storedAt(cluster.broker.address, request, 0n),
    );
    const outcomes = await send([{ messageBody: 'good' }, { messageBody: 'bad' }, { messageBody: 'too' }]);
    expect(outcomes.map(({ reason = '' }) => reason)).toEqual(['', 'BROKER_REFUSED', '']);
    expect(JSON.stringify(outcomes)).not.toContain('java');
    const ids = cluster.broker.requests(SEND_MESSAGE_V2).map((request) => sentProperties(request).get('UNIQ_KEY'));
    expect(outcomes.map(({ messageId }) => messageId)).toEqual([ids[0], undefined, ids[2]]);
    expect(sentCount).toBe(2);
    expect(reported).toEqual([['SendMessages', 1]]);
  });

  it('says of each message what is known when no answer comes', async () => {
    cluster.broker.on(SEND_BATCH_MESSAGE, () => undefined);
    // More than one request stores: what is behind the one without an answer was not sent.
    const large = { messageBody: 'x'.repeat(600_000) };
    const outcomes = await send([large, large, { messageBody: '' }], 3_000);
    expect(outcomes.map(({ success, reason }) => [success, reason])).toEqual([
      [false, 'OUTCOME_UNKNOWN'],
      [false, 'NOT_STORED'],
      [false, 'INVALID_REQUEST'],
    ]);
    expect(cluster.broker.requests(SEND_BATCH_MESSAGE)).toHaveLength(1);
    expect(sentCount).toBe(0);
  });

  it('fails as a whole for an id that is none', async () => {
    producerId = 'x';
    expect((await refusalOf(send([{}])))[0]).toBe('ID_NOT_FOUND');
  });
});
