import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { RecallMessageRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createRecallHandlers, sealRecall } from '../../../src/proxy/send/recall.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import type { ScriptedCluster } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { RECALL_MESSAGE } = RequestCode;
const plain = Buffer.from('v1 topic broker-a 1700000000000 ID-1').toString('base64url');

describe('taking a message back', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let producerId: string;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' };
    producerId = parts.sessions.createProducer({ ...target, topic: 'topic', owner: '' });
  });

  function recall(change: (handle: string) => string = (handle) => handle) {
    const spec = parts.sessions.producer(producerId, patientCall().caller);
    const recallHandle = change(sealRecall(parts.handles, spec, plain));
    const handlers = createRecallHandlers(parts, sendOptions());
    return handlers.recallMessage(create(RecallMessageRequestSchema, { producerId, recallHandle }), patientCall());
  }

  it('gives the broker its own handle, and nobody else', async () => {
    cluster.broker.on(RECALL_MESSAGE, () => ({ extFields: { msgId: 'ID-1' } }));
    expect(await recall()).toMatchObject({ success: true, messageId: 'ID-1' });
    const { extFields } = await cluster.broker.request(RECALL_MESSAGE);
    expect(extFields).toMatchObject({ topic: 'topic', recallHandle: plain });
    expect((await refusalOf(recall(() => plain)))[0]).toBe('INVALID_REQUEST');
    expect((await refusalOf(recall(() => '')))[1]).toContain('recall_handle is empty');
    expect(cluster.broker.requests(RECALL_MESSAGE)).toHaveLength(1);
  });

  it('is not offered for what no broker can take back', () => {
    const spec = parts.sessions.producer(producerId, patientCall().caller);
    expect(sealRecall(parts.handles, spec, undefined)).toBe('');
  });

  it.each([
    [
      ResponseCode.REQUEST_CODE_NOT_SUPPORTED,
      'request type 370 not supported',
      'NOT_SUPPORTED',
      'older than RocketMQ 5.3',
    ],
    [ResponseCode.NO_PERMISSION, 'recall failed, operation is forbidden', 'NOT_SUPPORTED', 'recallMessageEnable'],
    [ResponseCode.ILLEGAL_OPERATION, 'recall failed, timestamp invalid', 'RECEIPT_EXPIRED', 'its time has come'],
  ])('where a broker refuses with %i it says why, and not which broker', async (code, remark, reason, text) => {
    cluster.broker.on(RECALL_MESSAGE, () => ({ code, remark }));
    const refusal = await refusalOf(recall());
    expect(refusal).toEqual([reason, expect.stringContaining(text)]);
    expect(refusal[1]).not.toMatch(/127\.0\.0\.1|broker-a/);
  });
});
