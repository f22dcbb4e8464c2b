import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeHalf } from '../../../src/client/send/half-messages.ts';
import { ReceiveTransactionChecksRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import {
  createTransactionCheckHandlers,
  type TransactionCheckHandlers,
} from '../../../src/proxy/send/transaction-checks.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import { type ScriptedCluster, storedMessage } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { CHECK_TRANSACTION_STATE, HEART_BEAT, UNREGISTER_CLIENT } = RequestCode;

describe('receiving transaction checks', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let producerId: string;
  let draining: AbortController;
  let handlers: TransactionCheckHandlers;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    draining = new AbortController();
    handlers = createTransactionCheckHandlers(parts, sendOptions({ draining: draining.signal }));
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' };
    producerId = parts.sessions.createProducer({ ...target, topic: 'topic', owner: '' });
  });

  function open(binaryBodies = false, call = patientCall()) {
    const request = create(ReceiveTransactionChecksRequestSchema, { producerId, binaryBodies });
    return handlers.receiveTransactionChecks(request, call)[Symbol.asyncIterator]();
  }

  /** Once the broker knows that it can ask. */
  async function ask(): Promise<void> {
    const knows = () =>
      cluster.broker.requests(HEART_BEAT).some(({ body }) => body.toString().includes('{"groupName":"topic"}'));
    await cluster.broker.until(knows);
    const properties = new Map([
      ['UNIQ_KEY', 'ID-1'],
      ['PGROUP', 'topic'],
      ['TRANSACTION_CHECK_TIMES', '2'],
      ['own', 'property'],
    ]);
    cluster.broker.openConnections[0]?.ask({
      code: CHECK_TRANSACTION_STATE,
      extFields: { tranStateTableOffset: '8', commitLogOffset: '800', msgId: 'ID-1' },
      body: encodeStoredMessage(storedMessage({ properties, body: Buffer.from('größe') })),
    });
  }

  it.each([false, true])('tells of the half message, and how to end it; bodies as bytes: %s', async (binaryBodies) => {
    const stream = open(binaryBodies);
    const next = stream.next();
    await ask();
    const { value: check } = await next;
    const body = Buffer.from('größe');
    expect(check).toMatchObject({
      messageId: 'ID-1',
      transactionId: 'ID-1',
      messageBody: binaryBodies ? '' : 'größe',
      binaryBody: binaryBodies ? body : new Uint8Array(),
      tag: '',
      properties: { UNIQ_KEY: 'ID-1', own: 'property' },
      bornTimestamp: 1_700_000_000_000n,
    });
    expect(check.properties).not.toHaveProperty('TRANSACTION_CHECK_TIMES');
    const spec = parts.sessions.producer(producerId, patientCall().caller);
    const half = decodeHalf(parts.handles.open('transaction', spec, check.transactionHandle), 'topic');
    expect(half).toMatchObject({ commitLogOffset: 800n, queueOffset: 8n, brokerName: 'broker-a', isChecked: true });
    await stream.return?.();
    await cluster.broker.request(UNREGISTER_CLIENT);
  });

  it('ends when the proxy shuts down, and says so', async () => {
    const stream = open();
    const next = refusalOf(stream.next());
    await cluster.broker.request(HEART_BEAT);
    draining.abort();
    expect(await next).toEqual(['SHUTTING_DOWN', expect.stringContaining('another instance')]);
  });

  it('ends without a word when its caller goes, and when its producer is cleaned up with one', async () => {
    const gone = new AbortController();
    const stream = open(false, patientCall(gone.signal));
    const first = stream.next();
    await ask();
    await first;
    const last = stream.next();
    gone.abort();
    expect(await last).toEqual({ done: true, value: undefined });
    const cleaned = refusalOf(open().next());
    parts.sessions.cleanUpProducer(producerId, patientCall().caller);
    expect((await cleaned)[0]).toBe('ID_NOT_FOUND');
  });
});
