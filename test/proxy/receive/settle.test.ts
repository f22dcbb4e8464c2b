import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  AckMessagesRequestSchema,
  ChangeInvisibleDurationRequestSchema,
  NackMessageRequestSchema,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createSettleHandlers, type SettleHandlers } from '../../../src/proxy/receive/settle.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf } from '../../support/proxy-parts.ts';
import type { ScriptedCluster } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { ACK_MESSAGE, BATCH_ACK_MESSAGE, CHANGE_MESSAGE_INVISIBLE_TIME } = RequestCode;

describe('settling what has been received', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: SettleHandlers;
  let consumerId: string;
  let owner: string;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    handlers = createSettleHandlers(parts.sessions, parts.receipts, { writeTimeoutMs: 30_000 });
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', owner: '' };
    const session = parts.sessions.prepareConsumer({ ...target, topic: 'topic', group: 'g', tagExpression: '*' });
    owner = session.receiptOwner;
    consumerId = parts.sessions.register(session);
  });

  /** The handle of a message that was handed out just now. */
  function handleOf(queueOffset: bigint): string {
    const receipt: PopReceipt = {
      startOffset: 0n,
      popTimeMs: Date.now(),
      invisibleDurationMs: 30_000,
      reviveQueueId: 0,
      retry: '0',
      brokerName: 'broker-a',
      queueId: 0,
      queueOffset,
    };
    return parts.receipts.seal(owner, receipt);
  }

  const ackAll = (receiptHandles: string[]) =>
    handlers.ackMessages(create(AckMessagesRequestSchema, { consumerId, receiptHandles }), patientCall());

  it('acknowledges many messages by one request', async () => {
    cluster.broker.on(BATCH_ACK_MESSAGE, () => ({}));
    // Only the answer to the first one tells of which version the broker is.
    await ackAll([handleOf(0n)]);
    const { outcomes } = await ackAll([1n, 2n, 3n].map(handleOf));
    expect(outcomes?.map(({ success }) => success)).toEqual([true, true, true]);
    expect(cluster.broker.requests(BATCH_ACK_MESSAGE)).toHaveLength(1);
  });

  it('says of each what has become of it', async () => {
    cluster.broker.on(ACK_MESSAGE, () => ({ code: ResponseCode.SYSTEM_BUSY, remark: 'java.lang.X' }));
    const { message, outcomes } = await ackAll([handleOf(1n), 'forged']);
    expect(message).toBe('0 of 2 messages are acknowledged');
    expect(outcomes?.map(({ reason }) => reason)).toEqual(['BROKER_BUSY', 'INVALID_REQUEST']);
    expect(JSON.stringify(outcomes)).not.toContain('java');
  });

  it('gives back, and says when that failed', async () => {
    const nack = () =>
      handlers.nackMessage(
        create(NackMessageRequestSchema, { consumerId, receiptHandle: handleOf(1n), delayMs: 5 }),
        patientCall(),
      );
    cluster.broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({ code: ResponseCode.NO_PERMISSION }));
    expect((await refusalOf(nack()))[0]).toBe('BROKER_REFUSED');
    const [request] = cluster.broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME);
    expect(request?.extFields).toMatchObject({ invisibleTime: '5', offset: '1' });
  });

  it('returns the handle that is good from now on', async () => {
    const popTime = String(Date.now());
    cluster.broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({
      extFields: { popTime, invisibleTime: '60000', reviveQid: '3' },
    }));
    const request = { consumerId, receiptHandle: handleOf(1n), invisibleDurationMs: 60_000 };
    const { receiptHandle = '' } = await handlers.changeInvisibleDuration(
      create(ChangeInvisibleDurationRequestSchema, request),
      patientCall(),
    );
    expect(parts.receipts.open(owner, receiptHandle).receipt).toMatchObject({
      popTimeMs: Number(popTime),
      invisibleDurationMs: 60_000,
      reviveQueueId: 3,
    });
  });
});
