import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Channel, channelDefaults } from '../../src/remoting/channel.ts';
import { type Answer, type Command, Serialization } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { ServerConnection, serverConnectionDefaults } from '../../src/remoting/server-connection.ts';
import { bytesOf, content, memoryStream, soon } from '../support/connected-channel.ts';
import { type LoopbackServer, ServerSide, socketPair, startLoopbackServer } from '../support/loopback-server.ts';
import { malformedFrames } from '../support/malformed-frames.ts';

type Options = Partial<ConstructorParameters<typeof ServerConnection>[3]>;

const [peer, local] = ['127.0.0.1:50000', '127.0.0.1:10911'];
const done: Answer = { code: 0, remark: 'done' };

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

function optionsOf(options: Options): ConstructorParameters<typeof ServerConnection>[3] {
  return { ...serverConnectionDefaults, onRequest: () => done, onMistake: () => {}, ...options };
}

/** A connection over real sockets, and the client's socket. */
async function connect(options: Options = {}): Promise<{ connection: ServerConnection; near: Socket }> {
  const { near, far } = await socketPair(server);
  near.on('error', () => {});
  onTestFinished(() => void near.destroy());
  return { connection: new ServerConnection(far, peer, local, optionsOf(options)), near };
}

async function connectClient(
  options: Options = {},
): Promise<{ connection: ServerConnection; near: Socket; client: ServerSide }> {
  const connected = await connect(options);
  return { ...connected, client: new ServerSide(connected.near) };
}

describe('a server’s side of a connection', () => {
  it('answers requests, at once or later, in any order', async () => {
    let finish = (_: Answer): void => {};
    const requests: Command[] = [];
    const { connection, client } = await connectClient({
      onRequest: (request) => {
        requests.push(request);
        if (request.code !== 1) return { code: 5, extFields: { a: 'ü' }, body: Buffer.from('body') };
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
    });
    client.send({ code: 1, opaque: 7 });
    client.send({ code: 2, opaque: -8, body: Buffer.from('asked') });
    expect(await client.next()).toMatchObject({ code: 5, opaque: -8, flag: 1, extFields: { a: 'ü' } });
    finish(done);
    expect(await client.next()).toMatchObject({ code: 0, opaque: 7, flag: 1, remark: 'done' });
    expect(requests.map(({ body }) => body.toString())).toEqual(['', 'asked']);
    expect(connection).toMatchObject({ peer, local, isOpen: true, isBackedUp: false });
  });

  it('answers requests with binary headers too', async () => {
    const { client } = await connectClient();
    client.send({ code: 11, opaque: 3 }, Serialization.ROCKETMQ);
    expect(await client.next()).toMatchObject({ opaque: 3, remark: 'done' });
  });

  it('answers nothing to one-way requests, nor where the handler has no answer', async () => {
    const { client } = await connectClient({ onRequest: ({ code }) => (code === 1 ? undefined : done) });
    client.send({ code: 1, opaque: 1 });
    client.send({ code: 2, opaque: 2, flag: 2 });
    client.send({ code: 2, opaque: 3 });
    expect((await client.next()).opaque).toBe(3);
  });

  it('makes an answer without its text of a mistake, and tells of it', async () => {
    const mistakes: unknown[] = [];
    const { client } = await connectClient({
      onRequest: ({ code }) => {
        if (code === 1) throw new Error('a secret');
        return Promise.reject(new Error('another secret'));
      },
      onMistake: (error, { opaque }) => mistakes.push([String(error), opaque]),
    });
    for (const code of [1, 2]) {
      client.send({ code, opaque: code });
      expect(await client.next()).toMatchObject({ code: 1, opaque: code, remark: `request code ${code} failed` });
    }
    expect(mistakes).toEqual([
      ['Error: a secret', 1],
      ['Error: another secret', 2],
    ]);
  });

  it('asks its client, and hears the answer', async () => {
    const { connection, near } = await connect();
    const channel = new Channel(near, server.address, {
      ...channelDefaults,
      onServerRequest: async ({ code }) => ({ code: 0, remark: `heard ${code}` }),
    });
    connection.sendOneWay(content);
    expect(await connection.invoke({ code: 39, extFields: {} }, soon())).toMatchObject({ remark: 'heard 39' });
    channel.close();
    expect((await connection.closed).message).toBe(`${peer} closed the connection`);
    await expect(connection.invoke(content, soon())).rejects.toMatchObject({ kind: 'closed' });
    expect(() => connection.sendOneWay(content)).toThrow(expect.objectContaining({ kind: 'closed' }));
  });

  it('fails what it asked when the client goes, or does not answer in time, or is asked too much', async () => {
    const { connection, near } = await connect({ inFlightMax: 1 });
    await expect(connection.invoke(content, Deadline.after(5))).rejects.toMatchObject({ kind: 'timeout' });
    const open = connection.invoke(content, soon());
    await expect(connection.invoke(content, soon())).rejects.toMatchObject({ kind: 'overloaded' });
    near.destroy();
    await expect(open).rejects.toMatchObject({ kind: 'closed', outcomeUnknown: true });
  });

  it('drops answers that come after the end', async () => {
    let finish: ((answer: Answer) => void) | undefined;
    const { connection, near } = await connect({
      onRequest: () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    });
    near.write(bytesOf({ code: 1 }));
    await vi.waitFor(() => expect(finish).toBeDefined(), 20_000);
    connection.close();
    expect(connection.isOpen).toBe(false);
    expect((await connection.closed).message).toBe(`${peer} was told to go`);
    finish?.(done);
    await nextTurn();
    connection.close('again');
    expect((await connection.closed).message).toBe(`${peer} was told to go`);
  });

  it('has ended at once on a stream that has', async () => {
    const stream = memoryStream(() => {});
    stream.destroy();
    const connection = new ServerConnection(stream, peer, local, optionsOf({}));
    expect(connection.isOpen).toBe(false);
    await connection.closed;
  });

  it('closes when the client half-closes, and when it asks for more than a frame holds', async () => {
    const { connection, near } = await connect();
    near.end();
    expect((await connection.closed).message).toContain('closed the connection');
    const other = await connect({ frameBytesMax: 300, onRequest: () => ({ code: 0, body: Buffer.alloc(300) }) });
    other.near.write(bytesOf({ code: 1 }));
    expect((await other.connection.closed).message).toContain('asked for more than a frame holds');
  });
});

describe('bytes that are no remoting', () => {
  it.each(malformedFrames)('end the connection: %s', async (_, bytes) => {
    const handled: number[] = [];
    const { connection, near } = await connect({
      onRequest: ({ opaque }) => {
        handled.push(opaque);
        return done;
      },
    });
    const ended = once(near, 'close');
    const answers: Buffer[] = [];
    near.on('data', (chunk: Buffer) => answers.push(chunk));
    near.write(bytes);
    expect((await connection.closed).cause).toMatchObject({ name: 'RemotingError', kind: 'malformed' });
    await ended;
    expect(handled).toEqual([]);
    expect(Buffer.concat(answers)).toHaveLength(0);
  });

  it('do no harm in replies that nobody asked for', async () => {
    const { connection, client } = await connectClient();
    client.send({ flag: 1, opaque: 5 });
    client.send({ flag: 3, opaque: 6 });
    client.send({ opaque: 9 });
    expect((await client.next()).opaque).toBe(9);
    expect(connection.isOpen).toBe(true);
  });
});

/** A connection over a stream whose writes leave when the test lets them. */
function overMemory(options: Options): {
  readonly connection: ServerConnection;
  readonly push: (bytes: Buffer) => void;
  readonly lefts: (() => void)[];
  readonly unsentBytes: () => number;
} {
  const lefts: (() => void)[] = [];
  const stream = memoryStream((_, left) => lefts.push(left));
  const connection = new ServerConnection(stream, peer, local, optionsOf(options));
  onTestFinished(() => connection.close());
  return { connection, push: (bytes) => stream.push(bytes), lefts, unsentBytes: () => stream.writableLength };
}

const large: Answer = { code: 0, body: Buffer.alloc(10_000) };

describe('a client that does not read', () => {
  it('is no longer read from, and what waits for it stays bounded', async () => {
    let handledCount = 0;
    const { connection, near } = await connect({
      unsentBytesMax: 100_000,
      onRequest: () => {
        handledCount += 1;
        return { code: 0, body: Buffer.alloc(100_000) };
      },
    });
    near.pause();
    const request = bytesOf({ code: 11 });
    near.write(Buffer.concat(Array.from({ length: 10_000 }, () => request)));
    await vi.waitFor(() => expect(connection.isBackedUp).toBe(true), { timeout: 5_000 });
    const stalledAt = await settled(() => handledCount);
    // What the sockets themselves hold comes on top.
    expect(stalledAt).toBeLessThan(200);
    await expect(connection.invoke(content, soon())).rejects.toMatchObject({ kind: 'overloaded' });
    near.destroy();
    await connection.closed;
  });

  it('gets all answers once it reads', async () => {
    const { near, client } = await connectClient({ unsentBytesMax: 20_000, onRequest: () => large });
    near.pause();
    const requests = Array.from({ length: 1_000 }, (_, opaque) => bytesOf({ code: 11, opaque }));
    near.write(Buffer.concat(requests));
    near.resume();
    for (let opaque = 0; opaque < requests.length; opaque += 1) expect((await client.next()).opaque).toBe(opaque);
  });

  it('has answered at most one more than may wait', async () => {
    const { push, unsentBytes, lefts, connection } = overMemory({ unsentBytesMax: 50_000, onRequest: () => large });
    push(Buffer.concat(Array.from({ length: 100 }, () => bytesOf({ code: 11 }))));
    await nextTurn();
    await nextTurn();
    expect(unsentBytes()).toBeGreaterThanOrEqual(50_000);
    expect(unsentBytes()).toBeLessThan(61_000);
    while (lefts.length > 0 || connection.isBackedUp) {
      lefts.shift()?.();
      await nextTurn();
      expect(unsentBytes()).toBeLessThan(61_000);
    }
  });

  it('is said to have taken all also where only answers that were not yet given stood in its way', async () => {
    const drained = vi.fn();
    const { connection } = overMemory({ unsentBytesMax: 100, onDrained: drained });
    let give = (): void => {};
    const given = new Promise<void>((resolve) => {
      give = resolve;
    });
    connection.reserve(60, Promise.resolve());
    connection.reserve(100, given);
    await nextTurn();
    await nextTurn();
    expect(connection.isBackedUp).toBe(true);
    expect(drained).not.toHaveBeenCalled();
    give();
    await nextTurn();
    await nextTurn();
    expect(connection.isBackedUp).toBe(false);
    expect(drained).toHaveBeenCalledExactlyOnceWith(connection);
  });

  it('is closed when it takes nothing for too long, and not before', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { connection, push } = overMemory({ stalledMsMax: 1_000, onRequest: () => large });
    push(bytesOf({ code: 11 }));
    await nextTurn();
    await nextTurn();
    connection.checkProgress();
    vi.advanceTimersByTime(1_000);
    connection.checkProgress();
    expect(connection.isOpen).toBe(true);
    vi.advanceTimersByTime(1);
    connection.checkProgress();
    expect((await connection.closed).message).toBe(`${peer} took no answers for too long`);
  });

  it('is not closed as long as it takes some, though never all', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { connection, push, lefts, unsentBytes } = overMemory({ stalledMsMax: 1_000, onRequest: () => large });
    for (let round = 0; round < 5; round += 1) {
      push(bytesOf({ code: 11 }));
      await nextTurn();
      await nextTurn();
      if (round > 0) lefts.shift()?.();
      await nextTurn();
      await nextTurn();
      expect(unsentBytes()).toBeGreaterThan(0);
      connection.checkProgress();
      vi.advanceTimersByTime(900);
    }
    connection.checkProgress();
    expect(connection.isOpen).toBe(true);
    vi.advanceTimersByTime(900);
    connection.checkProgress();
    expect(connection.isOpen).toBe(false);
  });
});

describe('a silent client', () => {
  it('is closed after a while, unless it says something', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { connection, push, lefts } = overMemory({ idleMsMax: 1_000 });
    vi.advanceTimersByTime(900);
    push(bytesOf({ code: 34 }));
    await nextTurn();
    await nextTurn();
    lefts.shift()?.();
    vi.advanceTimersByTime(1_000);
    connection.checkProgress();
    expect(connection.isOpen).toBe(true);
    vi.advanceTimersByTime(1);
    connection.checkProgress();
    expect((await connection.closed).message).toBe(`${peer} was silent for too long`);
  });
});

/** A number that has not changed for some turns of the event loop. */
async function settled(read: () => number): Promise<number> {
  let last = read();
  for (let turn = 0; turn < 50; turn += 1) {
    await nextTurn();
    if (read() === last) continue;
    last = read();
    turn = 0;
  }
  return last;
}
