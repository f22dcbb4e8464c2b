import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Acks } from '../../../src/client/pop/acks.ts';
import { type Channel, channelDefaults } from '../../../src/remoting/channel.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { dial } from '../../../src/remoting/dial.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { peerVersions, ScriptedPeer } from '../../support/scripted-peer.ts';

const { ACK_MESSAGE, BATCH_ACK_MESSAGE, HEART_BEAT } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const subscriber = { group: 'g', topic: 't' };

function receipt(queueOffset: bigint, change: Partial<PopReceipt> = {}): PopReceipt {
  return {
    startOffset: 100n,
    popTimeMs: 1_700_000_000_000,
    invisibleDurationMs: 60_000,
    reviveQueueId: 3,
    retry: '0',
    brokerName: 'broker-a',
    queueId: 2,
    queueOffset,
    ...change,
  };
}

function acksOf(request: Command): unknown[] {
  return JSON.parse(request.body.toString()).acks;
}

describe('Acks', () => {
  const acks = new Acks();
  let peer: ScriptedPeer;
  let channel: Channel;

  async function connect(version: number): Promise<void> {
    peer = await ScriptedPeer.start(version);
    channel = await dial(peer.address, { ...channelDefaults, connectTimeoutMs: 3_000 }, soon());
    // The first answer tells the version.
    await channel.invoke({ code: HEART_BEAT, extFields: {} }, soon());
  }

  beforeEach(() => connect(peerVersions.v5));

  afterEach(async () => {
    channel.close();
    await peer.stop();
  });

  const ack = (one: PopReceipt, of = subscriber) => acks.ack(of, one, channel);

  test('one goes by itself', async () => {
    await ack(receipt(105n));
    expect(peer.requests(ACK_MESSAGE).map(({ extFields }) => extFields)).toEqual([
      {
        consumerGroup: 'g',
        topic: 't',
        queueId: '2',
        offset: '105',
        extraInfo: '100 1700000000000 60000 3 0 broker-a 2 105',
      },
    ]);
    await ack(receipt(105n, { retry: '1' }));
    expect((await peer.request(ACK_MESSAGE, 1)).extFields['topic']).toBe('%RETRY%g_t');
    expect(peer.requests(BATCH_ACK_MESSAGE)).toEqual([]);
  });

  test('many of one turn go as one, those of one checkpoint together', async () => {
    await Promise.all([
      ack(receipt(100n)),
      ack(receipt(109n)),
      ack(receipt(7n, { retry: '1', startOffset: 7n })),
      ack(receipt(102n), { group: 'other', topic: 't' }),
    ]);
    expect(peer.requests(ACK_MESSAGE)).toEqual([]);
    const [request, ...others] = peer.requests(BATCH_ACK_MESSAGE);
    expect(others).toEqual([]);
    const shared = { t: 't', q: 2, rq: 3, pt: 1_700_000_000_000, it: 60_000 };
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual({
      brokerName: 'broker-a',
      acks: [
        { ...shared, c: 'g', r: '0', so: 100, b: Buffer.from([1, 2]).toString('base64') },
        { ...shared, c: 'g', r: '1', so: 7, b: Buffer.from([1]).toString('base64') },
        { ...shared, c: 'other', r: '0', so: 100, b: Buffer.from([4]).toString('base64') },
      ],
    });
  });

  test('a batch has its limit', async () => {
    const many = Array.from({ length: 1_025 }, (_, index) => ack(receipt(100n + BigInt(index))));
    await Promise.all(many);
    expect(peer.requests(BATCH_ACK_MESSAGE).map((request) => acksOf(request).length)).toEqual([1]);
    expect(peer.requests(ACK_MESSAGE).length).toBe(1);
  });

  test('brokers before 5.1.3 get one request for each', async () => {
    channel.close();
    await peer.stop();
    await connect(peerVersions.beforeBatchAck);
    await Promise.all([ack(receipt(100n)), ack(receipt(101n))]);
    expect(peer.requests(ACK_MESSAGE).length).toBe(2);
    expect(peer.requests(BATCH_ACK_MESSAGE)).toEqual([]);
  });

  test('a refusal is told to each who asked', async () => {
    peer.on(BATCH_ACK_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    const results = await Promise.allSettled([ack(receipt(100n)), ack(receipt(101n))]);
    expect(results).toMatchObject([{ reason: { code: 1 } }, { reason: { code: 1 } }]);
  });

  test('a lost connection is told to each who asked, and to who asks later', async () => {
    peer.on(BATCH_ACK_MESSAGE, (_, { socket }) => {
      socket.destroy();
      return undefined;
    });
    const results = await Promise.allSettled([ack(receipt(100n)), ack(receipt(101n))]);
    expect(results).toMatchObject([{ reason: { kind: 'closed' } }, { reason: { kind: 'closed' } }]);
    await expect(ack(receipt(102n))).rejects.toMatchObject({ kind: 'closed' });
  });

  test('a receipt that does not fit into a batch harms no other: each goes by itself', async () => {
    peer.on(ACK_MESSAGE, ({ extFields }) => (extFields['offset'] === '99' ? { code: ResponseCode.NO_MESSAGE } : {}));
    const results = await Promise.allSettled([ack(receipt(100n)), ack(receipt(99n)), ack(receipt(101n))]);
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { reason: { code: ResponseCode.NO_MESSAGE } },
      { status: 'fulfilled' },
    ]);
  });
});
