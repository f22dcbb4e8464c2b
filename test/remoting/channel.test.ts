import { getEventListeners, once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Channel, channelDefaults } from '../../src/remoting/channel.ts';
import { CommandFlag, Serialization } from '../../src/remoting/command.ts';
import { requestOf } from '../../src/remoting/command-codec.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { signRequest } from '../../src/remoting/signature.ts';
import { claimedVersion } from '../../src/remoting/version.ts';
import { bytesOf, connectChannel, content, memoryStream, soon } from '../support/connected-channel.ts';
import { encodeCommand } from '../support/encoded-command.ts';
import { blankCommand, type LoopbackServer, startLoopbackServer } from '../support/loopback-server.ts';

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

function overloaded(): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'overloaded', outcomeUnknown: false });
}

describe('requests and replies', () => {
  test('are written as they were asked for, with an own opaque and our version', async () => {
    const { channel, peer } = await connectChannel(server);
    const body = Buffer.from('body');
    const reply = channel.invoke({ ...content, body }, soon());
    const request = await peer.next();
    expect(request).toEqual({
      code: 34,
      opaque: 1,
      flag: 0,
      version: claimedVersion,
      language: 'NODE_JS',
      remark: undefined,
      extFields: { a: '1' },
      body,
    });
    peer.reply(request, { code: 17, remark: 'no', extFields: { b: '2' }, body: Buffer.from('answer') });
    expect(await reply).toEqual({
      ...blankCommand,
      code: 17,
      opaque: 1,
      flag: 1,
      remark: 'no',
      extFields: { b: '2' },
      body: Buffer.from('answer'),
    });
  });

  test('meet each other in any order', async () => {
    const { channel, peer } = await connectChannel(server);
    const replies = ['a', 'b', 'c'].map((a) => channel.invoke({ code: 34, extFields: { a } }, soon()));
    const requests = [await peer.next(), await peer.next(), await peer.next()];
    expect(channel.inFlightCount).toBe(3);
    for (const request of requests.toReversed()) peer.reply(request, { extFields: request.extFields });
    expect((await Promise.all(replies)).map(({ extFields }) => extFields['a'])).toEqual(['a', 'b', 'c']);
    expect(channel.inFlightCount).toBe(0);
  });

  test('meet each other whatever the serialisations and the unknown bits of the flag', async () => {
    const { channel, peer } = await connectChannel(server, { serialization: Serialization.ROCKETMQ });
    const replies = [channel.invoke(content, soon()), channel.invoke({ ...content, code: 200050 }, soon())];
    const [first, second] = [await peer.next(), await peer.next()];
    expect([first?.code, second?.code]).toEqual([34, 200050]);
    peer.send({ opaque: first.opaque, flag: 0x7ffffffd, remark: 'first' }, Serialization.JSON);
    peer.send({ opaque: second.opaque, flag: -1, remark: 'second' }, Serialization.ROCKETMQ);
    expect((await Promise.all(replies)).map(({ remark }) => remark)).toEqual(['first', 'second']);
  });

  test('tell the version of the server', async () => {
    const { channel, peer } = await connectChannel(server);
    expect(channel.serverVersion).toBeUndefined();
    const reply = channel.invoke(content, soon());
    peer.reply(await peer.next(), { version: 407 });
    await reply;
    expect(channel.serverVersion).toBe(407);
  });

  test('are signed, one-way ones too, with every byte that is sent', async () => {
    const credentials = { accessKey: 'AK', secretKey: 'sk' };
    const { channel, peer } = await connectChannel(server, { credentials });
    const signed = { ...content, body: Buffer.from('body') };
    const reply = channel.invoke(signed, soon());
    const request = await peer.next();
    peer.reply(request);
    await reply;
    expect(request.extFields).toEqual(signRequest(signed, credentials).extFields);
    channel.sendOneWay(content);
    expect((await peer.next()).extFields).toHaveProperty('Signature');
  });

  test('of one turn leave in one write, the next turn in another', async () => {
    const writes: number[] = [];
    const stream = memoryStream((chunks, left) => {
      writes.push(new FrameDecoder().push(Buffer.concat(chunks)).length);
      left();
    });
    const channel = new Channel(stream, 'memory:1', channelDefaults);
    const replies = Array.from({ length: 100 }, () => channel.invoke(content, soon()));
    expect(writes).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual([100]);
    channel.sendOneWay(content);
    channel.sendOneWay({ ...content, body: Buffer.from('b') });
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual([100, 2]);
    stream.push(Buffer.concat(replies.map((_, index) => bytesOf({ opaque: index + 1, flag: 1 }))));
    expect(await Promise.all(replies)).toHaveLength(100);
    channel.close();
  });
});

describe('a request that is given up', () => {
  test('times out with its outcome unknown; the late reply is dropped, counted, and harms nobody', async () => {
    const { channel, peer } = await connectChannel(server);
    const late = channel.invoke(content, Deadline.after(30));
    const other = channel.invoke(content, soon());
    const [lateRequest, otherRequest] = [await peer.next(), await peer.next()];
    await expect(late).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true, address: server.address });
    expect(channel.inFlightCount).toBe(1);
    peer.reply(lateRequest, { remark: 'late' });
    peer.reply(otherRequest, { remark: 'other' });
    expect((await other).remark).toBe('other');
    const next = channel.invoke(content, soon());
    peer.reply(await peer.next(), { remark: 'next' });
    expect((await next).remark).toBe('next');
    expect(channel.droppedReplyCount).toBe(1);
    expect(channel.isOpen).toBe(true);
  });

  test('is not given up when its reply arrived in time while the process was too busy to read it', async () => {
    const { channel, peer } = await connectChannel(server);
    const reply = channel.invoke(content, Deadline.after(200));
    const busyUntilMs = performance.now() + 300;
    peer.reply(await peer.next(), { remark: 'in time' });
    while (performance.now() < busyUntilMs);
    expect((await reply).remark).toBe('in time');
    expect(channel.droppedReplyCount).toBe(0);
  });

  test('is cancelled with its outcome unknown', async () => {
    const { channel, peer } = await connectChannel(server);
    const controller = new AbortController();
    const reply = channel.invoke(content, Deadline.after(10_000, controller.signal));
    await peer.next();
    controller.abort();
    await expect(reply).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: true });
    expect(channel.inFlightCount).toBe(0);
    expect(channel.isOpen).toBe(true);
  });

  test('before it was written is not written, and its outcome is known', async () => {
    const { channel, peer } = await connectChannel(server);
    const aborted = Deadline.after(10_000, AbortSignal.abort());
    await expect(channel.invoke(content, aborted)).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: false });
    const past = Deadline.after(0);
    await expect(channel.invoke(content, past)).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: false });
    channel.sendOneWay({ ...content, code: 35 });
    expect((await peer.next()).code).toBe(35);
  });

  test('or answered leaves no timer and no listener behind', async () => {
    const { channel, peer } = await connectChannel(server);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { signal } = new AbortController();
    const replies = Array.from({ length: 20 }, () => channel.invoke(content, Deadline.after(1_000, signal)));
    const settled = Promise.allSettled(replies);
    expect(vi.getTimerCount()).toBe(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(20);
    for (let count = 0; count < 10; count += 1) peer.reply(await peer.next());
    await replies[9];
    expect(getEventListeners(signal, 'abort')).toHaveLength(10);
    vi.advanceTimersByTime(1_000);
    expect((await settled).filter(({ status }) => status === 'rejected')).toHaveLength(10);
    const lost = channel.invoke(content, Deadline.after(1_000, signal));
    channel.close();
    await expect(lost).rejects.toMatchObject({ kind: 'closed', outcomeUnknown: true });
    await once(peer.stream, 'close');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a reply that answers nothing is dropped and counted', async () => {
    const { channel, peer } = await connectChannel(server);
    const reply = channel.invoke(content, soon());
    const request = await peer.next();
    peer.send({ opaque: 77, flag: 1 });
    peer.reply(request, { remark: 'mine' });
    peer.reply(request, { remark: 'twice' });
    expect((await reply).remark).toBe('mine');
    const next = channel.invoke(content, soon());
    peer.reply(await peer.next());
    await next;
    expect(channel.droppedReplyCount).toBe(2);
  });
});

describe('limits', () => {
  test('inFlightMax requests may wait, one more is refused; a one-way request waits for nothing', async () => {
    const { channel, peer } = await connectChannel(server, { inFlightMax: 2 });
    const replies = [channel.invoke(content, soon()), channel.invoke(content, soon())];
    await expect(channel.invoke(content, soon())).rejects.toEqual(overloaded());
    channel.sendOneWay({ ...content, code: 35 });
    const requests = [await peer.next(), await peer.next()];
    expect((await peer.next()).code).toBe(35);
    for (const request of requests) peer.reply(request);
    await Promise.all(replies);
    const again = channel.invoke(content, soon());
    peer.reply(await peer.next());
    expect(await again).toMatchObject({ code: 0 });
  });

  test('unsentBytesMax bytes may wait for the network; from then on requests are refused, one-way ones too', async () => {
    const frame = Buffer.concat(encodeCommand(requestOf(content, 1, CommandFlag.ONE_WAY)));
    for (const [unsentBytesMax, accepted] of [
      [frame.length, 1],
      [frame.length + 1, 2],
      [2 * frame.length, 2],
    ] as const) {
      const stream = memoryStream(() => {});
      const channel = new Channel(stream, 'memory:1', { ...channelDefaults, unsentBytesMax });
      for (let count = 0; count < accepted; count += 1) channel.sendOneWay(content);
      expect(() => channel.sendOneWay(content)).toThrow(overloaded());
      await expect(channel.invoke(content, soon())).rejects.toEqual(overloaded());
      expect(channel.inFlightCount).toBe(0);
      stream.destroy();
    }
  });

  test('room comes back once the bytes have left', async () => {
    const { channel, peer } = await connectChannel(server, { unsentBytesMax: 10 });
    channel.sendOneWay(content);
    expect(() => channel.sendOneWay(content)).toThrow(overloaded());
    await peer.next();
    channel.sendOneWay({ ...content, code: 35 });
    expect((await peer.next()).code).toBe(35);
  });

  test('a request over frameBytesMax is refused and nothing of it is sent', async () => {
    const { channel, peer } = await connectChannel(server, { frameBytesMax: 1_000 });
    const body = Buffer.alloc(1_000);
    await expect(channel.invoke({ ...content, body }, soon())).rejects.toMatchObject({
      kind: 'malformed',
      outcomeUnknown: false,
    });
    expect(() => channel.sendOneWay({ ...content, body })).toThrow(expect.objectContaining({ kind: 'malformed' }));
    expect(channel.inFlightCount).toBe(0);
    channel.sendOneWay({ ...content, code: 35 });
    expect((await peer.next()).code).toBe(35);
  });
});
