import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Channel, channelDefaults } from '../../src/remoting/channel.ts';
import type { Command } from '../../src/remoting/command.ts';
import { claimedVersion } from '../../src/remoting/version.ts';
import { bytesOf, connectChannel, content, memoryStream, soon } from '../support/connected-channel.ts';
import { blankCommand, type LoopbackServer, startLoopbackServer } from '../support/loopback-server.ts';

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

function closed(outcomeUnknown: boolean): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'closed', outcomeUnknown, address: server.address });
}

describe('requests of the server', () => {
  test('are handled with the channel they came by, and answered', async () => {
    const handler = vi.fn(async () => ({ code: 0, remark: 'done', body: new Uint8Array([1, 2]) }));
    const { channel, peer } = await connectChannel(server, { onServerRequest: handler });
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
    const { peer } = await connectChannel(server, { onServerRequest: handler });
    for (const code of [39, 40, 41]) peer.send({ code, flag: 2 });
    peer.send({ code: 40, opaque: 9 });
    expect(await peer.next()).toMatchObject({ opaque: 9, code: 0 });
    expect(handler).toHaveBeenCalledTimes(4);
  });

  test('of an unknown code are answered so, with a handler and without', async () => {
    for (const options of [{}, { onServerRequest: async () => undefined }]) {
      const { peer } = await connectChannel(server, options);
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
    const { channel, peer } = await connectChannel(server, { onServerRequest, frameBytesMax: 1_000 });
    peer.send({ code: 309, opaque: 3 });
    expect(await peer.next()).toMatchObject({ code: 1, opaque: 3, remark: 'request code 309 failed' });
    expect(channel.isOpen).toBe(true);
  });

  test('over serverRequestsMax are answered busy, until one is done', async () => {
    const finish: (() => void)[] = [];
    const onServerRequest = () => new Promise<{ code: number }>((resolve) => finish.push(() => resolve({ code: 0 })));
    const { peer } = await connectChannel(server, { onServerRequest, serverRequestsMax: 2 });
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
    const { channel, peer, near, far } = await connectChannel(server);
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
    const { channel, peer, far } = await connectChannel(server);
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
    const { channel, peer, far } = await connectChannel(server);
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
    const { channel, near } = await connectChannel(server);
    channel.close();
    channel.close();
    const reason = await channel.closed;
    await once(near, 'close');
    channel.close();
    expect(await channel.closed).toBe(reason);

    const other = await connectChannel(server);
    other.far.destroy();
    const otherReason = await other.channel.closed;
    other.channel.close();
    expect(await other.channel.closed).toBe(otherReason);
  });

  test('refuses requests afterwards: they were not sent', async () => {
    const { channel } = await connectChannel(server);
    channel.close();
    const reason = await channel.closed;
    await expect(channel.invoke(content, soon())).rejects.toEqual(closed(false));
    await expect(channel.invoke(content, soon())).rejects.toMatchObject({ cause: reason });
    expect(() => channel.sendOneWay(content)).toThrow(closed(false));
  });

  test('comes 3 s after close() when the server reads no more', async () => {
    const { channel, far, near } = await connectChannel(server);
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
