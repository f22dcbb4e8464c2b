import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BrokerListenError, Listener, type ListenerOptions } from '../../src/broker/listener.ts';
import type { Log } from '../../src/log.ts';
import { bytesOf } from '../support/connected-channel.ts';
import { ServerSide } from '../support/loopback-server.ts';
import { malformedFrames } from '../support/malformed-frames.ts';

async function open(options: Partial<ListenerOptions> = {}): Promise<Listener> {
  const listener = await Listener.open({
    host: '127.0.0.1',
    port: 0,
    connectionCountMax: 100,
    onDrained: () => {},
    onRequest: ({ code }, { peer, local }) => ({ code: 0, remark: `${code} from ${peer} at ${local}` }),
    log: undefined,
    ...options,
  });
  onTestFinished(() => listener.close());
  return listener;
}

async function connectTo({ port }: Listener, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const countOf = ({ connections }: Listener): number => [...connections].length;

/** Waits until the listener has so many connections. */
function hasConnections(listener: Listener, count: number): Promise<void> {
  return vi.waitFor(() => expect(countOf(listener)).toBe(count), { interval: 2, timeout: 20_000 });
}

describe('a port of the engine', () => {
  it('serves connections with their addresses, and forgets them when they end', async () => {
    const listener = await open();
    const socket = await connectTo(listener);
    const client = new ServerSide(socket);
    client.send({ code: 34, opaque: 1 });
    const { remark } = await client.next();
    expect(remark).toBe(`34 from 127.0.0.1:${socket.localPort} at 127.0.0.1:${listener.port}`);
    expect(countOf(listener)).toBe(1);
    socket.destroy();
    await hasConnections(listener, 0);
  });

  it('names IPv4 clients as such on a port for both kinds, and others in brackets', async () => {
    const listener = await open({ host: '::' });
    const [four, six] = [await connectTo(listener), await connectTo(listener, '::1')];
    for (const [socket, address] of [
      [four, '127.0.0.1'],
      [six, '[::1]'],
    ] as const) {
      const client = new ServerSide(socket);
      client.send({ code: 1 });
      const { remark } = await client.next();
      expect(remark).toBe(`1 from ${address}:${socket.localPort} at ${address}:${listener.port}`);
    }
  });

  it.each(malformedFrames)('closes a connection for %s, and no other', async (_, bytes) => {
    const listener = await open();
    const [good, bad] = [await connectTo(listener), await connectTo(listener)];
    const client = new ServerSide(good);
    const ended = once(bad, 'close');
    bad.write(bytes);
    await ended;
    client.send({ code: 34, opaque: 5 });
    expect(await client.next()).toMatchObject({ opaque: 5, code: 0 });
    await hasConnections(listener, 1);
  });

  it('closes connections that are too many, and takes new ones when some have gone', async () => {
    const listener = await open({ connectionCountMax: 2 });
    const [first] = [await connectTo(listener), await connectTo(listener)];
    await hasConnections(listener, 2);
    const third = await connectTo(listener);
    third.resume();
    await once(third, 'close');
    first?.destroy();
    await hasConnections(listener, 1);
    const client = new ServerSide(await connectTo(listener));
    client.send({ opaque: 3 });
    expect((await client.next()).opaque).toBe(3);
  });

  it('lets a half-open connection go', async () => {
    const listener = await open();
    const socket = await connectTo(listener);
    socket.write(bytesOf({ code: 1 }).subarray(0, 10));
    await hasConnections(listener, 1);
    const ended = once(socket, 'close');
    socket.resume();
    socket.end();
    await ended;
    await hasConnections(listener, 0);
  });

  it('tells of mistakes of a handler, and goes on', async () => {
    const errors: unknown[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (facts) => errors.push(facts) };
    const onRequest = (): never => {
      throw new Error('our mistake');
    };
    const listener = await open({ log, onRequest });
    const client = new ServerSide(await connectTo(listener));
    client.send({ code: 34, opaque: 5 });
    expect(await client.next()).toMatchObject({ opaque: 5, code: 1, remark: 'request code 34 failed' });
    expect(errors).toMatchObject([{ err: { message: 'our mistake' }, code: 34 }]);
  });

  it('ends its connections when it closes, and can be closed twice', async () => {
    const listener = await open();
    const socket = await connectTo(listener);
    await hasConnections(listener, 1);
    const ended = once(socket, 'close');
    socket.resume();
    await Promise.all([listener.close(), listener.close()]);
    await ended;
    await listener.close();
    const late = connect(listener.port === 0 ? 1 : listener.port, '127.0.0.1');
    await expect(once(late, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('says which port cannot be had, and why', async () => {
    const { port } = await open();
    const error = await open({ port }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(BrokerListenError);
    expect(error).toMatchObject({
      message: `cannot listen on 127.0.0.1:${port}: another program does`,
      port,
      cause: { code: 'EADDRINUSE' },
    });
    await expect(open({ host: '192.0.2.1' })).rejects.toThrow('cannot listen on 192.0.2.1:0: EADDRNOTAVAIL');
    await expect(open({ port: 70_000 })).rejects.toThrow(BrokerListenError);
  });
});
