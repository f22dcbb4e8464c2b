import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixStartOffsets } from '../../src/client/start-offsets.ts';
import { type Channel, channelDefaults } from '../../src/remoting/channel.ts';
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
    channel = await dial(peer.address, { ...channelDefaults, connectTimeoutMs: 3_000 }, soon());
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
    await fixStartOffsets(subscriber, 3, channel, soon());
    const updates = peer.requests(UPDATE_CONSUMER_OFFSET).map(({ extFields }) => extFields);
    expect(updates).toEqual([
      { consumerGroup: 'g', topic: 't', queueId: '0', commitOffset: '100' },
      { consumerGroup: 'g', topic: 't', queueId: '2', commitOffset: '102' },
    ]);
    expect(peer.requests(QUERY_CONSUMER_OFFSET).length).toBe(3);
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
