import { getEventListeners, once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Channel, type ChannelOptions, channelDefaults } from '../../src/remoting/channel.ts';
import { type Command, type CommandContent, Serialization } from '../../src/remoting/command.ts';
import { encodeCommand } from '../../src/remoting/command-codec.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { signRequest } from '../../src/remoting/signature.ts';
import { claimedVersion } from '../../src/remoting/version.ts';
import {
  blankCommand,
  type LoopbackServer,
  ServerSide,
  socketPair,
  startLoopbackServer,
} from '../support/loopback-server.ts';

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

interface Connected {
  readonly channel: Channel;
  readonly peer: ServerSide;
  readonly near: Socket;
  readonly far: Socket;
}

async function connected(options: Partial<ChannelOptions> = {}): Promise<Connected> {
  const { near, far } = await socketPair(server);
  const channel = new Channel(near, server.address, { ...channelDefaults, ...options });
  return { channel, peer: new ServerSide(far), near, far };
}

const content: CommandContent = { code: 34, extFields: { a: '1' } };
const soon = () => Deadline.after(10_000);

function closed(outcomeUnknown: boolean): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'closed', outcomeUnknown, address: server.address });
}

function overloaded(): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'overloaded', outcomeUnknown: false });
}

/** Frames of a command, as one buffer. */
function bytesOf(command: Partial<Command>): Buffer {
  return Buffer.concat(encodeCommand({ ...blankCommand, ...command }, Serialization.JSON));
}

/** A stream in memory: what was written stays with the test, which also decides when a write has left. */
function memoryStream(write: (chunks: Buffer[], left: () => void) => void): Duplex {
  return new Duplex({
    read() {},
    write: (chunk: Buffer, _, left) => write([chunk], left),
    writev: (chunks, left) =>
      write(
        chunks.map(({ chunk }) => chunk as Buffer),
        left,
      ),
  });
}

describe('requests and replies', () => {
  test('are written as they were asked for, with an own opaque and our version', async () => {
    const { channel, peer } = await connected();
    const body = Buffer.from('body');
    const reply = channel.invoke({ ...content, body }, soon());
    const request = await peer.next();
    expect(request).toEqual({
      code: 34,
      opaque: 1,
      flag: 0,
      version: claimedVersion,
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
    const { channel, peer } = await connected();
    const replies = ['a', 'b', 'c'].map((a) => channel.invoke({ code: 34, extFields: { a } }, soon()));
    const requests = [await peer.next(), await peer.next(), await peer.next()];
    expect(channel.inFlightCount).toBe(3);
    for (const request of requests.toReversed()) peer.reply(request, { extFields: request.extFields });
    expect((await Promise.all(replies)).map(({ extFields }) => extFields['a'])).toEqual(['a', 'b', 'c']);
    expect(channel.inFlightCount).toBe(0);
  });

  test('meet each other whatever the serialisations and the unknown bits of the flag', async () => {
    const { channel, peer } = await connected({ serialization: Serialization.ROCKETMQ });
    const replies = [channel.invoke(content, soon()), channel.invoke({ ...content, code: 200050 }, soon())];
    const [first, second] = [await peer.next(), await peer.next()];
    expect([first?.code, second?.code]).toEqual([34, 200050]);
    peer.send({ opaque: first.opaque, flag: 0x7ffffffd, remark: 'first' }, Serialization.JSON);
    peer.send({ opaque: second.opaque, flag: -1, remark: 'second' }, Serialization.ROCKETMQ);
    expect((await Promise.all(replies)).map(({ remark }) => remark)).toEqual(['first', 'second']);
  });

  test('tell the version of the server', async () => {
    const { channel, peer } = await connected();
    expect(channel.serverVersion).toBeUndefined();
    const reply = channel.invoke(content, soon());
    peer.reply(await peer.next(), { version: 407 });
    await reply;
    expect(channel.serverVersion).toBe(407);
  });

  test('are signed, one-way ones too, with every byte that is sent', async () => {
    const credentials = { accessKey: 'AK', secretKey: 'sk' };
    const { channel, peer } = await connected({ credentials });
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
      writes.push(chunks.length);
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
    expect(writes).toEqual([100, 3]);
    stream.push(Buffer.concat(replies.map((_, index) => bytesOf({ opaque: index + 1, flag: 1 }))));
    expect(await Promise.all(replies)).toHaveLength(100);
    channel.close();
  });
});

describe('a request that is given up', () => {
  test('times out with its outcome unknown; the late reply is dropped, counted, and harms nobody', async () => {
    const { channel, peer } = await connected();
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
    const { channel, peer } = await connected();
    const reply = channel.invoke(content, Deadline.after(200));
    const busyUntilMs = performance.now() + 300;
    peer.reply(await peer.next(), { remark: 'in time' });
    while (performance.now() < busyUntilMs);
    expect((await reply).remark).toBe('in time');
    expect(channel.droppedReplyCount).toBe(0);
  });

  test('is cancelled with its outcome unknown', async () => {
    const { channel, peer } = await connected();
    const controller = new AbortController();
    const reply = channel.invoke(content, Deadline.after(10_000, controller.signal));
    await peer.next();
    controller.abort();
    await expect(reply).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: true });
    expect(channel.inFlightCount).toBe(0);
    expect(channel.isOpen).toBe(true);
  });

  test('before it was written is not written, and its outcome is known', async () => {
    const { channel, peer } = await connected();
    const aborted = Deadline.after(10_000, AbortSignal.abort());
    await expect(channel.invoke(content, aborted)).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: false });
    const past = Deadline.after(0);
    await expect(channel.invoke(content, past)).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: false });
    channel.sendOneWay({ ...content, code: 35 });
    expect((await peer.next()).code).toBe(35);
  });

  test('or answered leaves no timer and no listener behind', async () => {
    const { channel, peer } = await connected();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { signal } = new AbortController();
    const replies = Array.from({ length: 20 }, () => channel.invoke(content, Deadline.after(1_000, signal)));
    const settled = Promise.allSettled(replies);
    expect(vi.getTimerCount()).toBe(20);
    expect(getEventListeners(signal, 'abort')).toHaveLength(20);
    for (let count = 0; count < 10; count += 1) peer.reply(await peer.next());
    await replies[9];
    expect(vi.getTimerCount()).toBe(10);
    expect(getEventListeners(signal, 'abort')).toHaveLength(10);
    vi.advanceTimersByTime(1_000);
    expect((await settled).filter(({ status }) => status === 'rejected')).toHaveLength(10);
    const lost = channel.invoke(content, Deadline.after(1_000, signal));
    channel.close();
    await expect(lost).rejects.toEqual(closed(true));
    await once(peer.stream, 'close');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a reply that answers nothing is dropped and counted', async () => {
    const { channel, peer } = await connected();
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
    const { channel, peer } = await connected({ inFlightMax: 2 });
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
    const frame = Buffer.concat(
      encodeCommand({ ...blankCommand, ...content, body: Buffer.alloc(0) }, Serialization.ROCKETMQ),
    );
    const serialization = Serialization.ROCKETMQ;
    for (const [unsentBytesMax, accepted] of [
      [frame.length, 1],
      [frame.length + 1, 2],
      [2 * frame.length, 2],
    ] as const) {
      const stream = memoryStream(() => {});
      const channel = new Channel(stream, 'memory:1', { ...channelDefaults, serialization, unsentBytesMax });
      for (let count = 0; count < accepted; count += 1) channel.sendOneWay(content);
      expect(() => channel.sendOneWay(content)).toThrow(overloaded());
      await expect(channel.invoke(content, soon())).rejects.toEqual(overloaded());
      expect(channel.inFlightCount).toBe(0);
      stream.destroy();
    }
  });

  test('room comes back once the bytes have left', async () => {
    const { channel, peer } = await connected({ unsentBytesMax: 10 });
    channel.sendOneWay(content);
    expect(() => channel.sendOneWay(content)).toThrow(overloaded());
    await peer.next();
    channel.sendOneWay({ ...content, code: 35 });
    expect((await peer.next()).code).toBe(35);
  });

  test('a request over frameBytesMax is refused and nothing of it is sent', async () => {
    const { channel, peer } = await connected({ frameBytesMax: 1_000 });
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

describe('requests of the server', () => {
  test('are handled with the channel they came by, and answered', async () => {
    const handler = vi.fn(async () => ({ code: 0, remark: 'done', body: new Uint8Array([1, 2]) }));
    const { channel, peer } = await connected({ onServerRequest: handler });
    const request = { code: 307, opaque: -5, flag: 0x7ffffffc, extFields: { clientId: 'c' } };
    peer.send(request);
    expect(await peer.next()).toEqual({
      ...blankCommand,
      opaque: -5,
      flag: 1,
      version: claimedVersion,
      remark: 'done',
      body: Buffer.from([1, 2]),
    });
    expect(handler.mock.calls).toEqual([[{ ...blankCommand, ...request }, channel]]);
  });

  test('are not answered when they are one-way, whatever comes of them', async () => {
    const handler = vi.fn(async ({ code }: Command) => {
      if (code === 39) throw new Error('failed');
      return code === 40 ? { code: 0 } : undefined;
    });
    const { peer } = await connected({ onServerRequest: handler });
    for (const code of [39, 40, 41]) peer.send({ code, flag: 2 });
    peer.send({ code: 40, opaque: 9 });
    expect(await peer.next()).toMatchObject({ opaque: 9, code: 0 });
    expect(handler).toHaveBeenCalledTimes(4);
  });

  test('of an unknown code are answered so, with a handler and without', async () => {
    for (const options of [{}, { onServerRequest: async () => undefined }]) {
      const { peer } = await connected(options);
      peer.send({ code: 4242, opaque: 3 });
      expect(await peer.next()).toMatchObject({ code: 3, opaque: 3, flag: 1, remark: expect.stringContaining('4242') });
    }
  });

  test.each([
    ['rejects', async () => Promise.reject(new Error('a secret'))],
    [
      'throws',
      () => {
        throw new Error('a secret');
      },
    ],
    ['answers with more than a frame holds', async () => ({ code: 0, body: Buffer.alloc(2_000) })],
  ])('whose handler %s are answered with code 1 and no text of ours', async (_, onServerRequest) => {
    const { channel, peer } = await connected({ onServerRequest, frameBytesMax: 1_000 });
    peer.send({ code: 309, opaque: 3 });
    expect(await peer.next()).toMatchObject({ code: 1, opaque: 3, remark: 'request code 309 failed' });
    expect(channel.isOpen).toBe(true);
  });

  test('over serverRequestsMax are answered busy, until one is done', async () => {
    const finish: (() => void)[] = [];
    const onServerRequest = () => new Promise<{ code: number }>((resolve) => finish.push(() => resolve({ code: 0 })));
    const { peer } = await connected({ onServerRequest, serverRequestsMax: 2 });
    for (const opaque of [1, 2, 3]) peer.send({ code: 307, opaque });
    expect(await peer.next()).toMatchObject({ code: 2, opaque: 3 });
    finish[0]?.();
    expect(await peer.next()).toMatchObject({ code: 0, opaque: 1 });
    peer.send({ code: 307, opaque: 4 });
    peer.send({ code: 307, opaque: 5 });
    expect(await peer.next()).toMatchObject({ code: 2, opaque: 5 });
    for (const done of finish) done();
    expect([(await peer.next()).opaque, (await peer.next()).opaque].sort()).toEqual([2, 4]);
  });

  test('of a server that does not read are left without an answer, so that they cannot fill the memory', async () => {
    const unsentBytesMax = 10_000;
    const handled: number[] = [];
    const stream = memoryStream(() => {});
    const onServerRequest = async ({ opaque }: Command) => {
      handled.push(opaque);
      return { code: 0, body: Buffer.alloc(1_000) };
    };
    const channel = new Channel(stream, 'memory:1', { ...channelDefaults, onServerRequest, unsentBytesMax });
    for (let opaque = 1; opaque <= 200; opaque += 1) {
      stream.push(bytesOf({ code: 307, opaque }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(handled).toHaveLength(200);
    expect(stream.writableLength).toBeGreaterThanOrEqual(unsentBytesMax);
    expect(stream.writableLength).toBeLessThan(unsentBytesMax + 1_500);
    expect(channel.isOpen).toBe(true);
    stream.destroy();
  });
});

describe('the end of a connection', () => {
  const rudeEnds: [string, (far: Socket) => void][] = [
    ['ends its side', (far) => far.end()],
    ['resets', (far) => far.resetAndDestroy()],
    ['closes', (far) => far.destroy()],
  ];
  test.each(rudeEnds)('fails what is in flight, with its outcome unknown, when the server %s', async (_, end) => {
    const { channel, peer, near, far } = await connected();
    const replies = Promise.allSettled([channel.invoke(content, soon()), channel.invoke(content, soon())]);
    await peer.next();
    await peer.next();
    end(far);
    const reason = await channel.closed;
    expect(reason).toEqual(closed(false));
    for (const reply of await replies) expect(reply).toEqual({ status: 'rejected', reason: closed(true) });
    expect(channel.isOpen).toBe(false);
    expect(channel.inFlightCount).toBe(0);
    if (!near.closed) await once(near, 'close');
  });

  const notTheProtocol: [string, Buffer][] = [
    ['a length that cannot be', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a header that is not JSON', Buffer.from([0, 0, 0, 5, 0, 0, 0, 1, 0x78])],
    ['an unknown serialisation', Buffer.from([0, 0, 0, 4, 9, 0, 0, 0])],
    ['another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ];
  test.each(notTheProtocol)('comes with %s', async (_, bytes) => {
    const { channel, peer, far } = await connected();
    const answered = channel.invoke(content, soon());
    const lost = channel.invoke(content, soon());
    const failure = expect(lost).rejects.toEqual(closed(true));
    peer.reply(await peer.next());
    await answered;
    const farClosed = once(far, 'close');
    far.write(bytes);
    await failure;
    expect(await channel.closed).toMatchObject({ kind: 'malformed', address: server.address });
    await farClosed;
  });

  test('close() fails what is in flight, lets what was written leave, and says so', async () => {
    const { channel, peer, far } = await connected();
    const lost = channel.invoke(content, soon());
    channel.sendOneWay({ ...content, code: 37 });
    const farClosed = once(far, 'close');
    channel.close();
    expect(channel.isOpen).toBe(false);
    await expect(lost).rejects.toEqual(closed(true));
    expect((await channel.closed).message).toBe(`the connection to ${server.address} was closed`);
    expect([(await peer.next()).code, (await peer.next()).code]).toEqual([34, 37]);
    await farClosed;
  });

  test('close() again, or after the server closed, changes nothing', async () => {
    const { channel, near } = await connected();
    channel.close();
    channel.close();
    const reason = await channel.closed;
    await once(near, 'close');
    channel.close();
    expect(await channel.closed).toBe(reason);

    const other = await connected();
    other.far.destroy();
    const otherReason = await other.channel.closed;
    other.channel.close();
    expect(await other.channel.closed).toBe(otherReason);
  });

  test('refuses requests afterwards: they were not sent', async () => {
    const { channel } = await connected();
    channel.close();
    const reason = await channel.closed;
    await expect(channel.invoke(content, soon())).rejects.toEqual(closed(false));
    await expect(channel.invoke(content, soon())).rejects.toMatchObject({ cause: reason });
    expect(() => channel.sendOneWay(content)).toThrow(closed(false));
  });

  test('comes 3 s after close() when the server reads no more', async () => {
    const { channel, far, near } = await connected();
    far.pause();
    // More than the sockets of both sides hold.
    for (let count = 0; count < 4; count += 1) channel.sendOneWay({ ...content, body: Buffer.alloc(8_000_000) });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    channel.close();
    await channel.closed;
    vi.advanceTimersByTime(2_999);
    expect(near.destroyed).toBe(false);
    const nearClosed = once(near, 'close');
    vi.advanceTimersByTime(1);
    await nearClosed;
    expect(vi.getTimerCount()).toBe(0);
  });

  test('comes at once with a stream that has ended already', async () => {
    const stream = memoryStream(() => {});
    stream.destroy();
    await once(stream, 'close');
    const channel = new Channel(stream, 'memory:1', channelDefaults);
    expect(await channel.closed).toMatchObject({ kind: 'closed' });
    await expect(channel.invoke(content, soon())).rejects.toMatchObject({ kind: 'closed', outcomeUnknown: false });
  });

  test('leaves requests of the server that still come to nobody', async () => {
    const handler = vi.fn(async () => ({ code: 0 }));
    const stream = memoryStream(() => {});
    const channel = new Channel(stream, 'memory:1', { ...channelDefaults, onServerRequest: handler });
    channel.sendOneWay(content);
    channel.close();
    stream.push(bytesOf({ code: 307 }));
    stream.push(bytesOf({ flag: 1, opaque: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(handler).not.toHaveBeenCalled();
    expect(channel.droppedReplyCount).toBe(0);
    stream.destroy();
  });
});
