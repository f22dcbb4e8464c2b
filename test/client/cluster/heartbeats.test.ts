import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDenied } from '../../../src/client/cluster/denied.ts';
import { Heartbeats, type Membership } from '../../../src/client/cluster/heartbeats.ts';
import { type Channel, type ChannelOptions, channelDefaults } from '../../../src/remoting/channel.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { connectTimeoutMsDefault, dial } from '../../../src/remoting/dial.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';
import { deferred, peerVersions, ScriptedPeer } from '../../support/scripted-peer.ts';

const { HEART_BEAT, UNREGISTER_CLIENT } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);

function popMembership(group: string, topic: string, expression: string): Membership {
  return {
    group,
    consumeType: 'CONSUME_POP',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    subscription: { topic, expression, version: 1 },
  };
}

function bodyOf(request: Command): unknown {
  return JSON.parse(request.body.toString());
}

describe('Heartbeats', () => {
  let peer: ScriptedPeer;
  let log: MemoryLog;
  let heartbeats: Heartbeats;
  const channels: Channel[] = [];

  beforeEach(async () => {
    peer = await ScriptedPeer.start(peerVersions.v4);
    log = new MemoryLog();
    heartbeats = new Heartbeats('client-1', 'producers', log);
  });

  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.close();
    await peer.stop();
  });

  async function connect(): Promise<Channel> {
    const options = { ...channelDefaults, connectTimeoutMs: connectTimeoutMsDefault };
    const channel = await dial(peer.address, options, soon());
    channels.push(channel);
    return channel;
  }

  test('tell who lives here: producers, and each consumer group once with all that it reads', async () => {
    heartbeats.join(popMembership('readers', 'one', '*'));
    heartbeats.join(popMembership('readers', 'two', 'a || b'));
    heartbeats.join(popMembership('others', 'one', '*'));
    heartbeats.greet(await connect());
    expect(bodyOf(await peer.request(HEART_BEAT))).toMatchObject({
      clientID: 'client-1',
      producerDataSet: [{ groupName: 'producers' }],
      consumerDataSet: [
        {
          groupName: 'readers',
          consumeType: 'CONSUME_POP',
          subscriptionDataSet: [
            { topic: 'one', subString: '*' },
            { topic: 'two', subString: 'a || b' },
          ],
        },
        { groupName: 'others', subscriptionDataSet: [{ topic: 'one', subString: '*' }] },
      ],
    });
  });

  test('a member that left is not told any more; the last of a group says so', async () => {
    const leaveOne = heartbeats.join(popMembership('readers', 'one', '*'));
    const leaveTwo = heartbeats.join(popMembership('readers', 'two', '*'));
    expect(leaveOne()).toBe(false);
    expect(heartbeats.consumers.map(({ subscriptions }) => subscriptions.map(({ topic }) => topic))).toEqual([['two']]);
    expect(leaveTwo()).toBe(true);
    expect(heartbeats.consumers).toEqual([]);
  });

  test('two members that read the same: it is told until both have left', () => {
    const leaveOne = heartbeats.join(popMembership('readers', 'one', '*'));
    const leaveOther = heartbeats.join(popMembership('readers', 'one', 'a'));
    expect(heartbeats.consumers[0]?.subscriptions.length).toBe(1);
    leaveOne();
    expect(heartbeats.consumers[0]?.subscriptions).toMatchObject([{ topic: 'one', expression: 'a' }]);
    expect(leaveOther()).toBe(true);
  });

  test('the version comes with the first answer, and is asked for once', async () => {
    const channel = await connect();
    heartbeats.greet(channel);
    const versions = Array.from({ length: 5 }, () => heartbeats.versionOf(channel, soon()));
    expect(await Promise.all(versions)).toEqual(Array.from({ length: 5 }, () => peerVersions.v4));
    expect(await heartbeats.versionOf(channel, soon())).toBe(peerVersions.v4);
    expect(peer.requests(HEART_BEAT).length).toBe(1);
  });

  test('say how a group receives, as its newest member does', async () => {
    heartbeats.join(popMembership('readers', 'one', '*'));
    heartbeats.join({
      group: 'readers',
      consumeType: 'CONSUME_ACTIVELY',
      messageModel: 'BROADCASTING',
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      subscription: { topic: 'two', expression: 'x > 1', expressionType: 'SQL92', version: 7 },
    });
    heartbeats.greet(await connect());
    expect(bodyOf(await peer.request(HEART_BEAT))).toMatchObject({
      consumerDataSet: [
        {
          groupName: 'readers',
          consumeType: 'CONSUME_ACTIVELY',
          messageModel: 'BROADCASTING',
          consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
          subscriptionDataSet: [
            { topic: 'one', expressionType: 'TAG' },
            { topic: 'two', subString: 'x > 1', expressionType: 'SQL92', subVersion: 7, codeSet: [] },
          ],
        },
      ],
    });
  });

  test('tell a broker what it has not heard, and no more', async () => {
    const channel = await connect();
    const count = () => peer.requests(HEART_BEAT).length;
    await heartbeats.tell(channel, soon());
    await heartbeats.tell(channel, soon());
    expect(count()).toBe(1);
    const leave = heartbeats.join(popMembership('readers', 'one', '*'));
    await heartbeats.tell(channel, soon());
    expect(count()).toBe(2);
    leave();
    leave();
    await heartbeats.tell(channel, soon());
    await heartbeats.tell(channel, soon());
    expect(count()).toBe(3);
    peer.on(HEART_BEAT, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    heartbeats.join(popMembership('readers', 'one', '*'));
    await heartbeats.tell(channel, soon());
    await heartbeats.tell(channel, soon());
    expect(count()).toBe(5);
    channel.close();
    await expect(heartbeats.tell(channel, soon())).rejects.toMatchObject({ kind: 'closed' });
  });

  test('those who join while one is under way share the one behind it', async () => {
    const channel = await connect();
    const answer = deferred<object>();
    peer.on(HEART_BEAT, () => answer.promise);
    const told = [heartbeats.tell(channel, soon())];
    await peer.request(HEART_BEAT);
    for (let count = 0; count < 200; count += 1) {
      heartbeats.join(popMembership(`readers-${count}`, 'one', '*'));
      told.push(heartbeats.tell(channel, soon()));
    }
    answer.resolve({});
    await Promise.all(told);
    expect(peer.requests(HEART_BEAT)).toHaveLength(2);
    expect(bodyOf(await peer.request(HEART_BEAT, 1))).toMatchObject({ consumerDataSet: { length: 200 } });
  });

  test('who has newer things to tell is not told the failure of what was under way', async () => {
    const channel = await connect();
    const answer = deferred<object>();
    peer.on(HEART_BEAT, () => answer.promise);
    const first = heartbeats.tell(channel, Deadline.after(20));
    heartbeats.join(popMembership('readers', 'one', '*'));
    const second = heartbeats.tell(channel, soon());
    await expect(first).rejects.toMatchObject({ kind: 'timeout' });
    answer.resolve({});
    await second;
    expect(peer.requests(HEART_BEAT)).toHaveLength(2);
  });

  test('a group is taken off a broker behind the heartbeats that still name it', async () => {
    const channel = await connect();
    const answer = deferred<object>();
    peer.on(HEART_BEAT, () => answer.promise);
    const leave = heartbeats.join(popMembership('readers', 'one', '*'));
    const beat = heartbeats.beatAll([channel]);
    await peer.request(HEART_BEAT);
    leave();
    const left = heartbeats.leave('readers', [channel]);
    // Whatever was sent before this request is there with it.
    peer.on(RequestCode.GET_BROKER_CLUSTER_INFO, () => ({}));
    await channel.invoke({ code: RequestCode.GET_BROKER_CLUSTER_INFO, extFields: {} }, soon());
    expect(peer.requests(UNREGISTER_CLIENT)).toEqual([]);
    answer.resolve({});
    await Promise.all([beat, left]);
    expect(peer.requests(UNREGISTER_CLIENT)).toHaveLength(1);
  });

  test('a connection that nobody greeted is greeted by who asks for its version', async () => {
    expect(await heartbeats.versionOf(await connect(), soon())).toBe(peerVersions.v4);
  });

  test('a broker that refuses the heartbeat has still told its version', async () => {
    peer.on(HEART_BEAT, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    expect(await heartbeats.versionOf(await connect(), soon())).toBe(peerVersions.v4);
    expect(log.troubles).toEqual(['a broker refused a heartbeat']);
  });

  test('a broker that denies the heartbeat says so to who needs it, and its version to the others', async () => {
    peer.on(HEART_BEAT, () => ({ code: ResponseCode.NO_PERMISSION, remark: 'no matched policies.' }));
    const checkReply: ChannelOptions['checkReply'] = (reply, address) => checkDenied(reply, address, undefined);
    const options = { ...channelDefaults, connectTimeoutMs: 3_000, checkReply };
    const channel = await dial(peer.address, options, soon());
    await expect(heartbeats.tell(channel, soon())).rejects.toMatchObject({ kind: 'denied' });
    const other = await dial(peer.address, options, soon());
    expect(await heartbeats.versionOf(other, soon())).toBe(peerVersions.v4);
    await heartbeats.beatAll([channel, other]);
    expect(log.troubles).toEqual(Array(3).fill('a broker refused a heartbeat'));
    channel.close();
    other.close();
  });

  test('who waits for the version waits no longer than it may, and asks again the next time', async () => {
    peer.on(HEART_BEAT, () => undefined);
    const channel = await connect();
    heartbeats.greet(channel);
    await expect(heartbeats.versionOf(channel, Deadline.after(20))).rejects.toMatchObject({ kind: 'timeout' });
    channel.close();
    await expect(heartbeats.versionOf(channel, soon())).rejects.toMatchObject({ kind: 'closed' });
    await expect(heartbeats.versionOf(channel, soon())).rejects.toMatchObject({ kind: 'closed' });
  });

  test('one broker that fails does not keep the others from hearing', async () => {
    const [one, other] = [await connect(), await connect()];
    one.close();
    await heartbeats.beatAll([one, other]);
    expect(peer.requests(HEART_BEAT).length).toBe(1);
    expect(log.lines.map(({ message }) => message)).toEqual(['a heartbeat failed']);
  });

  test('leave takes a consumer group off every broker, and survives those that do not answer', async () => {
    const [one, other] = [await connect(), await connect()];
    const failed = deferred<void>();
    log.debug = () => failed.resolve();
    peer.on(UNREGISTER_CLIENT, (_, { socket }) => {
      socket.destroy();
      return undefined;
    });
    const left = heartbeats.leave('readers', [one, other]);
    expect((await peer.request(UNREGISTER_CLIENT, 1)).extFields).toEqual({
      clientID: 'client-1',
      consumerGroup: 'readers',
    });
    await failed.promise;
    await left;
  });
});
