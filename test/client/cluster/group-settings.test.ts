import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDenied } from '../../../src/client/cluster/denied.ts';
import { GroupSettings } from '../../../src/client/cluster/group-settings.ts';
import { type Channel, type ChannelOptions, channelDefaults } from '../../../src/remoting/channel.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { dial } from '../../../src/remoting/dial.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';
import { ScriptedPeer } from '../../support/scripted-peer.ts';

const { GET_SUBSCRIPTION_GROUP_CONFIG } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);

describe('GroupSettings', () => {
  let peer: ScriptedPeer;
  let channel: Channel;
  let log: MemoryLog;
  let settings: GroupSettings;

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    peer.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ body: Buffer.from('{"retryMaxTimes":3}') }));
    const checkReply: ChannelOptions['checkReply'] = (reply, address) => checkDenied(reply, address, undefined);
    channel = await dial(peer.address, { ...channelDefaults, connectTimeoutMs: 3_000, checkReply }, soon());
    log = new MemoryLog();
    settings = new GroupSettings(log);
  });

  afterEach(async () => {
    channel.close();
    await peer.stop();
  });

  test('are asked for, then remembered', async () => {
    expect(await settings.retryMaxTimes('g', channel, soon())).toBe(3);
    expect(await settings.retryMaxTimes('g', channel, soon())).toBe(3);
    expect(peer.requests(GET_SUBSCRIPTION_GROUP_CONFIG).map(({ extFields }) => extFields)).toEqual([{ group: 'g' }]);
    await settings.retryMaxTimes('h', channel, soon());
    expect(peer.requests(GET_SUBSCRIPTION_GROUP_CONFIG).length).toBe(2);
  });

  test('who may use a group and not see it takes the default settings', async () => {
    peer.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({
      code: ResponseCode.NO_PERMISSION,
      remark: 'no matched policies.',
    }));
    expect(await settings.read('g', channel, soon())).toEqual({ retryMaxTimes: 16 });
    expect(await settings.retryMaxTimes('g', channel, soon())).toBe(16);
    expect(log.troubles).toEqual([]);
    expect(peer.requests(GET_SUBSCRIPTION_GROUP_CONFIG).length).toBe(1);
    peer.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({
      code: ResponseCode.NO_PERMISSION,
      remark: 'check signature failed.',
    }));
    await expect(settings.read('g', channel, soon())).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  test('a group that does not exist is an error of read, and 16 redeliveries else', async () => {
    peer.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST }));
    await expect(settings.read('g', channel, soon())).rejects.toMatchObject({
      code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST,
    });
    expect(await settings.retryMaxTimes('g', channel, soon())).toBe(16);
    expect(log.troubles).toEqual(['the settings of a consumer group could not be read']);
  });
});
