import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MessageFilter, parseTagFilter } from '../../../src/client/message-filter.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import {
  bodies,
  consumerDefaults,
  read,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
  storedMessage,
} from '../../support/scripted-cluster.ts';
import type { ScriptedPeer } from '../../support/scripted-peer.ts';

const { ACK_MESSAGE, BATCH_ACK_MESSAGE, CONSUMER_SEND_MSG_BACK, GET_SUBSCRIPTION_GROUP_CONFIG, POP_MESSAGE } =
  RequestCode;

describe('PopTaker', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  const ending = new AbortController();

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ body: Buffer.from('{"retryMaxTimes":2}') }));
  });

  afterEach(() => cluster.stop());

  function take(
    count: number,
    filter: MessageFilter = parseTagFilter('*'),
    bodyBytesMax = 4_194_304,
  ): Promise<ReceivedMessage<PopReceipt>[]> {
    const consumer = cluster.client({ bodyBytesMax }).popConsumer({ ...consumerDefaults, filter });
    return read(consumer.stream({ messagesMax: 100, signal: ending.signal }), count);
  }

  const tagged = (queueOffset: bigint, tag?: string) => ({
    queueOffset,
    body: Buffer.from(String(queueOffset)),
    properties: new Map(tag === undefined ? [] : [['TAGS', tag]]),
  });

  test('hands on all that a message has', async () => {
    const properties = new Map([
      ['UNIQ_KEY', 'ID-1'],
      ['TAGS', 'tag'],
      ['KEYS', 'k1 k2'],
      ['user', '值'],
    ]);
    pop.arrive([{ body: Buffer.from([0, 255]), properties, bornTimestampMs: 1_690_000_000_000, reconsumeTimes: 1 }]);
    const [message] = await take(1);
    expect(message).toMatchObject({
      messageId: 'ID-1',
      topic: 'topic',
      body: Buffer.from([0, 255]),
      tag: 'tag',
      properties,
      bornTimestampMs: 1_690_000_000_000,
      reconsumeTimes: 1,
      receipt: expect.objectContaining({ brokerName: 'broker-a', queueId: 0, queueOffset: 0n, retry: '0' }),
    });
  });

  test('a message whose producer named none has the id that its broker gave it', async () => {
    pop.arrive([{ properties: new Map(), storeHost: '127.0.0.1:10911', commitLogOffset: 0x1234n }]);
    const [message] = await take(1);
    // MessageDecoder.createMessageId of rocketmq-common 5.5.0 for the same address and offset.
    expect(message?.messageId).toBe('7F00000100002A9F0000000000001234');
  });

  test('messages of another tag with the same hash are done with, and nobody gets them', async () => {
    // Java gives `Aa` and `BB` one hash, so brokers take them for the same tag.
    pop.arrive([tagged(1n, 'BB'), tagged(2n, 'Aa'), tagged(3n), tagged(4n, 'AaBB')]);
    pop.arrive([tagged(5n, 'BB'), tagged(6n, 'b')]);
    expect(bodies(await take(2, parseTagFilter('Aa || b')))).toEqual(['2', '6']);
    expect(broker.requests(POP_MESSAGE)[0]?.extFields['exp']).toBe('Aa || b');
    const batch = await broker.request(BATCH_ACK_MESSAGE);
    const bits = Buffer.from(JSON.parse(batch.body.toString()).acks[0].b, 'base64');
    // Offsets 1, 3 and 4 of a checkpoint that begins at 1.
    expect(bits).toEqual(Buffer.from([0b1101]));
    expect((await broker.request(ACK_MESSAGE)).extFields['offset']).toBe('5');
  });

  describe('a message that failed too often', () => {
    const dead = {
      queueOffset: 7n,
      commitLogOffset: 777n,
      reconsumeTimes: 3,
      retry: '1',
      properties: new Map([['UNIQ_KEY', 'ID-7']]),
    } as const;
    const alive = { ...dead, queueOffset: 8n, reconsumeTimes: 2, body: Buffer.from('alive') };

    test('goes to the dead letters of its group, then is done with', async () => {
      pop.arrive([dead, alive]);
      expect(bodies(await take(1))).toEqual(['alive']);
      expect((await broker.request(CONSUMER_SEND_MSG_BACK)).extFields).toEqual({
        offset: '777',
        group: 'g',
        delayLevel: '-1',
        originMsgId: 'ID-7',
        originTopic: 'topic',
        maxReconsumeTimes: '0',
      });
      expect((await broker.request(ACK_MESSAGE)).extFields).toMatchObject({ topic: '%RETRY%g_topic', offset: '7' });
      expect(cluster.log.troubles).toEqual(['a message failed too often and is in the dead letter queue']);
    });

    test('comes again when the dead letter queue does not take it', async () => {
      broker.on(CONSUMER_SEND_MSG_BACK, () => ({ code: ResponseCode.SYSTEM_ERROR }));
      pop.arrive([dead, alive]);
      expect(bodies(await take(1))).toEqual(['alive']);
      expect(broker.requests(ACK_MESSAGE)).toEqual([]);
      expect(cluster.log.troubles).toEqual([
        'a dead message could not be moved to the dead letter queue; it comes again',
      ]);
    });

    test('how often is too often is asked once for a batch, and only where a message came again', async () => {
      pop.arrive([tagged(1n), tagged(2n)]);
      await take(2);
      expect(broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG)).toEqual([]);
      pop.arrive(Array.from({ length: 32 }, (_, index) => ({ ...alive, queueOffset: BigInt(index) })));
      await take(32);
      expect(broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG).length).toBe(1);
    });
  });

  test('a damaged message is passed over, the others come', async () => {
    const good = [storedMessage({ queueOffset: 1n }), storedMessage({ queueOffset: 3n, body: Buffer.from('good') })];
    const damaged = encodeStoredMessage(storedMessage({ queueOffset: 2n, bodyCrc: 12_345 }));
    const [first, last] = good.map((message) => encodeStoredMessage(message));
    const body = Buffer.concat([first ?? damaged, damaged, last ?? damaged]);
    pop.arrive([{ queueOffset: 1n }, { queueOffset: 2n }, { queueOffset: 3n }], { body });
    const messages = await take(2);
    expect(bodies(messages)).toEqual(['body', 'good']);
    expect(messages.map(({ receipt }) => receipt.queueOffset)).toEqual([1n, 3n]);
    expect(cluster.log.troubles).toEqual(['a stored message is damaged and cannot be delivered']);
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
  });

  test('bodies are unfolded, up to the limit', async () => {
    const text = Buffer.from('so weiter '.repeat(1_000));
    const folded = (sysFlag: number, body: Buffer, queueOffset: bigint) => ({ sysFlag, body, queueOffset });
    pop.arrive([
      folded(SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB, deflateSync(text), 1n),
      folded(SysFlag.COMPRESSED, deflateSync(text), 2n),
      folded(SysFlag.COMPRESSED, deflateSync(Buffer.alloc(10_001)), 3n),
      folded(SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZSTD, text, 4n),
      folded(SysFlag.COMPRESSED, Buffer.from('no zlib'), 5n),
      folded(0, Buffer.from('last'), 6n),
    ]);
    const messages = await take(3, parseTagFilter('*'), 10_000);
    expect(messages.map(({ body }) => body.equals(text))).toEqual([true, true, false]);
    expect(bodies(messages.slice(2))).toEqual(['last']);
    expect(cluster.log.troubles).toEqual(
      Array.from({ length: 3 }, () => 'a message cannot be read; it comes again until it is dead'),
    );
    // Not acknowledged: it ends in the dead letter queue, where an operator finds it.
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
  });

  test('an ack of its own that fails is told to the log, and hurts nobody', async () => {
    broker.on(ACK_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    pop.arrive([tagged(1n, 'BB'), tagged(2n, 'Aa')]);
    expect(bodies(await take(1, parseTagFilter('Aa')))).toEqual(['2']);
    await vi.waitFor(
      () =>
        expect(cluster.log.lines.map(({ message }) => message)).toContain(
          'an ack of our own failed; the message comes again',
        ),
      20_000,
    );
  });
});
