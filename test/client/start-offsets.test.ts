import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDenied } from '../../src/client/cluster/denied.ts';
import { fixStartOffsets } from '../../src/client/start-offsets.ts';
import { type Channel, type ChannelOptions, channelDefaults } from '../../src/remoting/channel.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { dial } from '../../src/remoting/dial.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';

const { GET_MAX_OFFSET, QUERY_CONSUMER_OFFSET, UPDATE_CONSUMER_OFFSET } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const subscriber = { group: 'g', topic: 't' };

describe('fixStartOffsets', () => {
  let peer: ScriptedPeer;
  let channel: Channel;

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    const checkReply: ChannelOptions['checkReply'] = (reply, address) => checkDenied(reply, address, undefined);
    channel = await dial(peer.address, { ...channelDefaults, connectTimeoutMs: 3_000, checkReply }, soon());
  });

  afterEach(async () => {
    channel.close();
    await peer.stop();
  });

  test('gives the group the end of each queue that it is new to', async () => {
    // Queue 1 is known to the group, the others are not.
    peer.on(QUERY_CONSUMER_OFFSET, ({ extFields }) =>
      extFields['queueId'] === '1' ? { extFields: { offset: '5' } } : { code: ResponseCode.QUERY_NOT_FOUND },
    );
    peer.on(GET_MAX_OFFSET, ({ extFields }) => ({ extFields: { offset: `10${extFields['queueId']}` } }));
    let storingCount = 0;
    let storingMax = 0;
    // Brokers keep one of several that come at once.
    peer.on(UPDATE_CONSUMER_OFFSET, async () => {
      storingCount += 1;
      storingMax = Math.max(storingMax, storingCount);
      await new Promise((resolve) => setImmediate(resolve));
      storingCount -= 1;
      return {};
    });
    await fixStartOffsets(subscriber, 3, channel, soon());
    expect(storingMax).toBe(1);
    const updates = peer.requests(UPDATE_CONSUMER_OFFSET).map(({ extFields }) => extFields);
    expect(updates).toEqual([
      { consumerGroup: 'g', topic: 't', queueId: '0', commitOffset: '100' },
      { consumerGroup: 'g', topic: 't', queueId: '2', commitOffset: '102' },
    ]);
    expect(peer.requests(QUERY_CONSUMER_OFFSET).length).toBe(3);
  });

  test('who may not see offsets leaves the start to the broker; whom the broker does not know is told so', async () => {
    peer.on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.QUERY_NOT_FOUND }));
    peer.on(GET_MAX_OFFSET, () => ({ code: ResponseCode.NO_PERMISSION, remark: 'no matched policies.' }));
    await fixStartOffsets(subscriber, 2, channel, soon());
    expect(peer.requests(GET_MAX_OFFSET).length).toBe(2);
    expect(peer.requests(UPDATE_CONSUMER_OFFSET)).toEqual([]);
    peer.on(GET_MAX_OFFSET, () => ({ code: ResponseCode.NO_PERMISSION, remark: 'check signature failed.' }));
    await expect(fixStartOffsets(subscriber, 2, channel, soon())).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  test('an error of the broker is an error', async () => {
    peer.on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    await expect(fixStartOffsets(subscriber, 2, channel, soon())).rejects.toMatchObject({ code: 1 });
    expect(peer.requests(UPDATE_CONSUMER_OFFSET)).toEqual([]);
  });

  test('no queue, nothing to do', async () => {
    await fixStartOffsets(subscriber, 0, channel, soon());
    expect(peer.received).toEqual([]);
  });
});
