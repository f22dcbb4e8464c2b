import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  SendDelayMessageRequestSchema,
  SendMessageRequestSchema,
  SendOrderedMessageRequestSchema,
  SendTransactionMessageRequestSchema,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createSendHandlers, type SendHandlers } from '../../../src/proxy/send/send.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import { type ScriptedCluster, sentProperties } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { END_TRANSACTION, SEND_MESSAGE_V2 } = RequestCode;

describe('sending', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: SendHandlers;
  let producerId: string;
  let sentCount: number;

  function start(writeTimeoutMs: number): void {
    const onSent = (count: number): void => {
      sentCount += count;
    };
    handlers = createSendHandlers(parts, sendOptions({ writeTimeoutMs, onSent }));
  }

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    sentCount = 0;
    start(30_000);
    producerId = parts.sessions.createProducer({
      endpoint: cluster.nameServer.address,
      accessKeyId: '',
      owner: '',
      accessKeySecret: '',
      topic: 'topic',
    });
  });

  const inAnHourMs = Date.now() + 3_600_000;
  const body = { messageBody: 'größe' };

  const send = (init: MessageInitShape<typeof SendMessageRequestSchema>, call = patientCall()) =>
    handlers.sendMessage(create(SendMessageRequestSchema, { producerId, ...body, ...init }), call);
  const sendOrdered = (init: MessageInitShape<typeof SendOrderedMessageRequestSchema>) =>
    handlers.sendOrderedMessage(
      create(SendOrderedMessageRequestSchema, { producerId, ...body, ...init }),
      patientCall(),
    );
  const sendDelayed = (init: MessageInitShape<typeof SendDelayMessageRequestSchema>) =>
    handlers.sendDelayMessage(create(SendDelayMessageRequestSchema, { producerId, ...body, ...init }), patientCall());
  const sendTransaction = (init: MessageInitShape<typeof SendTransactionMessageRequestSchema>) =>
    handlers.sendTransactionMessage(
      create(SendTransactionMessageRequestSchema, { producerId, ...body, ...init }),
      patientCall(),
    );

  const sends = (): Command[] => cluster.broker.requests(SEND_MESSAGE_V2);

  /** The properties of the only message that was sent. */
  function stored(): Record<string, string> {
    const [request] = sends();
    if (request === undefined) throw new Error('nothing was sent');
    expect(request.body.toString()).toBe('größe');
    return Object.fromEntries(sentProperties(request));
  }

  it('leaves bodies uncompressed, so that receivers of any age can read them', async () => {
    const messageBody = 'a body that could be made much smaller; '.repeat(1_000);
    await send({ messageBody });
    await sendTransaction({ messageBody });
    const requests = cluster.brokers.flatMap((broker) => broker.requests(SEND_MESSAGE_V2));
    expect(requests.map(({ body: sent }) => sent.toString() === messageBody)).toEqual([true, true]);
  });

  it('stores a message and says under which id', async () => {
    const reply = await send({ tag: 't', properties: { properties: { a: '1' }, messageKey: 'k' } });
    const messageId = stored()['UNIQ_KEY'];
    const ids = { messageId, receiptHandle: messageId, recallHandle: '' };
    expect(reply).toEqual({ success: true, message: 'the message was stored', ...ids });
    expect(stored()).toEqual({ UNIQ_KEY: messageId, a: '1', TAGS: 't', KEYS: 'k' });
    expect(sentCount).toBe(1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['SendMessage', () => send({ properties: { shardingKey: 's', startDeliverTime: BigInt(inAnHourMs) } })],
    [
      'SendOrderedMessage',
      () => sendOrdered({ properties: { shardingKey: 's', startDeliverTime: BigInt(inAnHourMs) } }),
    ],
    ['SendDelayMessage', () => sendDelayed({ properties: { shardingKey: 's', startDeliverTime: BigInt(inAnHourMs) } })],
    [
      'SendTransactionMessage',
      () => sendTransaction({ properties: { shardingKey: 's', startDeliverTime: BigInt(inAnHourMs) } }),
    ],
  ])('honours sharding key and time of MessageProperties: %s', async (_, work) => {
    await work();
    expect(stored()).toMatchObject({ __SHARDINGKEY: 's', TIMER_DELIVER_MS: String(inAnHourMs) });
  });

  describe('in order', () => {
    it('stores messages of one key in one queue', async () => {
      for (const shardingKey of ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']) await sendOrdered({ shardingKey });
      const queues = sends().map((request) => [sentProperties(request).get('__SHARDINGKEY'), request.extFields['e']]);
      const ofKey = (key: string) => new Set(queues.filter(([each]) => each === key).map(([, queueId]) => queueId));
      expect([ofKey('a').size, ofKey('b').size]).toEqual([1, 1]);
    });

    it('needs a key', async () => {
      expect(await refusalOf(sendOrdered({}))).toEqual([
        'INVALID_REQUEST',
        'sharding_key is empty: name the key whose messages stay in order',
      ]);
      expect(sends()).toEqual([]);
    });
  });

  describe('later', () => {
    it.each([
      [{}, {}],
      [{ delayTimeLevel: 3n }, { DELAY: '3' }],
      [{ startDeliverTime: BigInt(inAnHourMs) }, { TIMER_DELIVER_MS: String(inAnHourMs) }],
      [{ startDeliverTime: BigInt(inAnHourMs), delayTimeLevel: 3n }, { TIMER_DELIVER_MS: String(inAnHourMs) }],
      [{ startDeliverTime: 1n }, {}],
    ])('case %#: what is asked for, and at once where it is nothing or past', async (init, expected) => {
      await sendDelayed(init);
      expect(stored()).toEqual({ UNIQ_KEY: expect.any(String), ...expected });
    });

    it('names the levels that there are', async () => {
      expect(await refusalOf(sendDelayed({ delayTimeLevel: 19n }))).toEqual([
        'INVALID_REQUEST',
        'delay_time_level is 19; levels are 1 to 18, 0 for none',
      ]);
    });
  });

  describe('in a transaction', () => {
    it('stores a half message and commits it, once', async () => {
      const reply = await sendTransaction({ transCheckImmunityTime: 60 });
      const messageId = stored()['UNIQ_KEY'];
      expect(reply).toEqual({
        success: true,
        message: 'the message was stored',
        messageId,
        receiptHandle: messageId,
        transactionId: messageId,
      });
      expect(stored()).toMatchObject({ TRAN_MSG: 'true', CHECK_IMMUNITY_TIME_IN_SECONDS: '60' });
      const end = await cluster.broker.request(END_TRANSACTION);
      // TRANSACTION_COMMIT_TYPE
      expect(end.extFields).toMatchObject({ commitOrRollback: '8', msgId: messageId, transactionId: messageId });
      expect(sentCount).toBe(1);
    });

    it('commits nothing that was not stored', async () => {
      cluster.broker.on(SEND_MESSAGE_V2, () => ({ code: ResponseCode.NO_PERMISSION }));
      expect((await refusalOf(sendTransaction({})))[0]).toBe('BROKER_REFUSED');
      expect(cluster.broker.requests(END_TRANSACTION)).toEqual([]);
      expect(sentCount).toBe(0);
    });

    it('stores no half message where it is to be delivered later', async () => {
      const reply = await sendTransaction({ properties: { startDeliverTime: BigInt(inAnHourMs) } });
      expect(stored()).not.toHaveProperty('TRAN_MSG');
      expect(reply.transactionId).toBe(reply.messageId);
      expect(cluster.broker.requests(END_TRANSACTION)).toEqual([]);
      expect(sentCount).toBe(1);
    });

    it('checks the immunity even so', async () => {
      const properties = { startDeliverTime: BigInt(inAnHourMs) };
      const [reason] = await refusalOf(sendTransaction({ transCheckImmunityTime: -1, properties }));
      expect(reason).toBe('INVALID_REQUEST');
    });
  });

  describe('fails', () => {
    it('for an id that is none', async () => {
      for (const id of ['', 'x']) expect((await refusalOf(send({ producerId: id })))[0]).toBe('ID_NOT_FOUND');
    });

    it('for an empty body, which RocketMQ 5 cannot store', async () => {
      expect(await refusalOf(send({ messageBody: '' }))).toEqual([
        'INVALID_REQUEST',
        'RocketMQ 5 cannot store a message with an empty body',
      ]);
    });

    it('when the broker refuses', async () => {
      cluster.broker.on(SEND_MESSAGE_V2, () => ({ code: ResponseCode.MESSAGE_ILLEGAL, remark: 'java.lang.X' }));
      const [reason, text] = await refusalOf(send({}));
      expect(reason).toBe('BROKER_REFUSED');
      expect(text).not.toContain('java');
      expect(sentCount).toBe(0);
    });

    it('after the write timeout when no answer comes, and says that the message may be stored', async () => {
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      start(200);
      const startedMs = performance.now();
      expect(await refusalOf(send({}))).toEqual([
        'OUTCOME_UNKNOWN',
        'no answer after 1 tries: the message may or may not be stored',
      ]);
      expect(performance.now() - startedMs).toBeLessThan(5_000);
    });

    it('at the caller’s own deadline, which may be shorter but not longer', async () => {
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      expect((await refusalOf(send({}, { ...patientCall(), timeoutMs: 1 })))[0]).toMatch(
        /^(DEADLINE|OUTCOME_UNKNOWN)$/,
      );
      start(200);
      expect((await refusalOf(send({}, { ...patientCall(), timeoutMs: 1_000_000 })))[0]).toBe('OUTCOME_UNKNOWN');
    });

    it('when the caller has gone', async () => {
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      const caller = new AbortController();
      const sending = refusalOf(send({}, patientCall(caller.signal)));
      await cluster.broker.request(SEND_MESSAGE_V2);
      caller.abort();
      expect((await sending)[0]).toBe('OUTCOME_UNKNOWN');
    });
  });
});
