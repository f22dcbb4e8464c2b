import { connect } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { Flag, FrameType } from '../../src/http2/frame.ts';
import { http2Defaults } from '../../src/http2/options.ts';
import { RequestMemory } from '../../src/http2/request-memory.ts';
import type { Http2Stream, StreamHandler } from '../../src/http2/stream.ts';
import {
  codeOf,
  data,
  greetedClient,
  headers,
  isPong,
  ofType,
  openRequest,
  ping,
  reset,
} from '../support/http2-frames.ts';
import { startHttp2, takeAll } from '../support/http2-server.ts';
import type { RawHttp2Client } from '../support/raw-http2.ts';
import { eventually } from '../support/started-listener.ts';

const { ENHANCE_YOUR_CALM, CANCEL } = ErrorCode;

/** What a stream counts whose request is not whole. */
const streamBytes = 4_096;

/** Keeps what comes, and answers requests that are whole when `answer` says so. */
function keepAll(answer: (stream: Http2Stream) => void = (stream) => stream.sendHeaders(okFields, true)) {
  return (stream: Http2Stream): StreamHandler =>
    takeAll(stream, {
      data: (chunk, isLast) => {
        stream.kept(chunk.length);
        if (isLast) answer(stream);
      },
    });
}

const okFields = [{ name: ':status', value: '200' }];

/** A server whose requests may hold so much, and the addresses that lost requests. */
async function start(bytesMax: number, options = {}, onStream = keepAll()) {
  const shed: string[] = [];
  const memory = new RequestMemory(bytesMax, (address) => shed.push(address));
  return { ...(await startHttp2(options, onStream, undefined, memory)), shed };
}

/** The server has read all that was sent. */
async function settled(client: RawHttp2Client, byte: number): Promise<void> {
  client.socket.write(ping(byte));
  await client.next(isPong(byte));
}

/** Streams of the connection that the server reset, and by which codes. */
function resets({ frames }: RawHttp2Client): (readonly [id: number, code: number])[] {
  return frames.filter(ofType(FrameType.RST_STREAM)).map((one) => [one.streamId, codeOf(one)]);
}

describe('what requests hold', () => {
  it('is what came of them and has not been let go', async () => {
    const { port, memory } = await start(Number.POSITIVE_INFINITY, {}, (stream) =>
      takeAll(stream, {
        data: (chunk) => (stream.id === 1 ? stream.kept(chunk.length) : stream.consumed(chunk.length)),
      }),
    );
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), data(1, 'x'.repeat(100)), data(1, '')]));
    await settled(client, 1);
    expect(memory.bytes).toBe(streamBytes + 100);
    client.socket.write(Buffer.concat([openRequest(3), data(3, 'x'.repeat(50))]));
    await settled(client, 2);
    expect(memory.bytes).toBe(2 * streamBytes + 100);
    client.socket.write(data(1, 'y', Flag.END_STREAM));
    await settled(client, 3);
    expect(memory.bytes).toBe(streamBytes + 101);
    client.socket.write(Buffer.concat([reset(1, CANCEL), headers(5)]));
    await settled(client, 4);
    expect(memory.bytes).toBe(streamBytes);
    client.socket.destroy();
    await eventually(() => memory.bytes).toBe(0);
  });

  it('is nothing for a stream whose request lasts and whose handler consumes it', async () => {
    const { port, memory } = await start(Number.POSITIVE_INFINITY, {}, (stream) => {
      stream.letRequestLast();
      stream.letRequestLast();
      return takeAll(stream, { data: (chunk) => stream.kept(chunk.length) });
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), data(1, 'x'.repeat(100)), openRequest(3)]));
    await settled(client, 1);
    expect(memory.bytes).toBe(0);
    client.socket.write(Buffer.concat([data(1, 'x', Flag.END_STREAM), reset(3, CANCEL)]));
    await settled(client, 2);
    expect(memory.bytes).toBe(0);
  });

  it('may be all that is allowed, and no byte more: then unfinished requests are ended, oldest first', async () => {
    const { port, memory, shed, streams } = await start(4 * (streamBytes + 1_000));
    const client = await greetedClient(port);
    const body = 'x'.repeat(1_000);
    for (const id of [1, 3, 5, 7]) client.socket.write(Buffer.concat([openRequest(id), data(id, body)]));
    await settled(client, 1);
    expect([memory.bytes, resets(client)]).toEqual([4 * (streamBytes + 1_000), []]);
    client.socket.write(data(7, 'x'));
    await settled(client, 2);
    // A quarter and the byte.
    expect(resets(client)).toEqual([
      [1, ENHANCE_YOUR_CALM],
      [3, ENHANCE_YOUR_CALM],
    ]);
    expect([memory.bytes, shed]).toEqual([2 * (streamBytes + 1_000) + 1, ['127.0.0.1']]);
    expect(streams.map(({ isOpen }) => isOpen)).toEqual([false, false, true, true]);
    client.socket.write(data(5, 'x', Flag.END_STREAM));
    await client.next(ofType(FrameType.HEADERS, 5));
  });

  it('is taken from the address that has most of it unfinished', async () => {
    const { port, shed } = await start(100_000);
    const [small, one, other] = [
      await greetedClient(port, '127.0.0.2'),
      await greetedClient(port, '127.0.0.3'),
      await greetedClient(port, '127.0.0.3'),
    ];
    // The oldest, and the largest one.
    small.socket.write(Buffer.concat([openRequest(1), data(1, Buffer.alloc(16_384)), data(1, Buffer.alloc(16_384))]));
    await settled(small, 1);
    for (const client of [one, other, one, other]) {
      const id = client.frames.length * 2 + 1;
      client.socket.write(Buffer.concat([openRequest(id), data(id, Buffer.alloc(11_000))]));
      await settled(client, id & 0xff);
    }
    small.socket.write(data(1, 'x'.repeat(12_000)));
    await settled(small, 3);
    expect(shed).toEqual(['127.0.0.3']);
    small.socket.write(data(1, '', Flag.END_STREAM));
    await small.next(ofType(FrameType.HEADERS, 1));
  });

  it('is not taken from requests that are whole: a new one is refused, until one of them is answered', async () => {
    const { port, streams, memory } = await start(
      10_000,
      {},
      keepAll(() => {}),
    );
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), data(1, 'x'.repeat(5_000), Flag.END_STREAM)]));
    client.socket.write(
      Buffer.concat([openRequest(3), data(3, 'x'.repeat(900)), data(3, 'x'.repeat(5_000), Flag.END_STREAM)]),
    );
    await settled(client, 1);
    expect([resets(client), memory.bytes]).toEqual([[[3, ENHANCE_YOUR_CALM]], 5_000]);
    streams[0]?.sendHeaders(okFields, true);
    client.socket.write(Buffer.concat([openRequest(5), data(5, 'x'.repeat(5_000), Flag.END_STREAM)]));
    await settled(client, 2);
    expect([resets(client).length, streams.at(-1)?.isOpen]).toEqual([1, true]);
  });

  it('stays in its bound while bodies come that do not end, and honest callers go on', async () => {
    const bytesMax = 4_000_000;
    const { port, memory, failures } = await start(bytesMax, { streamsMax: 1_000 });
    const attackers = await Promise.all(Array.from({ length: 4 }, () => greetedClient(port, '127.0.0.2')));
    const honest = await greetedClient(port, '127.0.0.3');
    let mostBytes = 0;
    for (let round = 0; round < 40; round += 1) {
      for (const attacker of attackers) {
        const ids = Array.from({ length: 10 }, (_, index) => 2 * (10 * round + index) + 1);
        const parts = ids.flatMap((id) => [openRequest(id), data(id, Buffer.alloc(16_384))]);
        attacker.socket.write(Buffer.concat(parts));
      }
      const id = 2 * round + 1;
      honest.socket.write(
        Buffer.concat([openRequest(id), data(id, Buffer.alloc(10_000)), data(id, 'x', Flag.END_STREAM)]),
      );
      await honest.next(ofType(FrameType.HEADERS, id));
      mostBytes = Math.max(mostBytes, memory.bytes);
    }
    await Promise.all(attackers.map((attacker) => settled(attacker, 9)));
    expect([mostBytes, memory.bytes].every((bytes) => bytes <= bytesMax)).toBe(true);
    expect([failures, resets(honest)]).toEqual([[], []]);
    expect(attackers.flatMap(resets).length).toBeGreaterThan(4 * 400 - bytesMax / 16_384);
  });
});

describe('a connection whose requests hold much', () => {
  /** Half of it is what makes the server widen it. */
  const windowBytes = 20_000;
  const widened = ({ frames }: RawHttp2Client): number[] =>
    frames
      .filter(({ type, streamId }) => type === FrameType.WINDOW_UPDATE && streamId > 0)
      .map(({ streamId }) => streamId);

  it('has only its oldest unfinished request widened, until there is room', async () => {
    const options = { streamWindowBytes: windowBytes, keptBytesMax: 3 * streamBytes + 30_000 };
    const { port } = await start(Number.POSITIVE_INFINITY, options);
    const client = await greetedClient(port);
    const part = Buffer.alloc(10_000);
    for (const id of [1, 3, 5]) client.socket.write(Buffer.concat([openRequest(id), data(id, part)]));
    await settled(client, 1);
    expect(widened(client)).toEqual([1, 3, 5]);
    for (const id of [5, 3, 1]) client.socket.write(data(id, part));
    await settled(client, 2);
    expect(widened(client)).toEqual([1, 3, 5, 1]);
    client.socket.write(data(1, part));
    await settled(client, 3);
    expect(widened(client)).toEqual([1, 3, 5, 1, 1]);
    // Its answer lets go of what it held: the next ones go on.
    client.socket.write(data(1, '', Flag.END_STREAM));
    await client.next(ofType(FrameType.HEADERS, 1));
    await settled(client, 4);
    expect(widened(client)).toEqual([1, 3, 5, 1, 1, 3]);
    client.socket.write(data(3, '', Flag.END_STREAM));
    await settled(client, 5);
    expect(widened(client)).toEqual([1, 3, 5, 1, 1, 3, 5]);
  });

  it('takes many long requests at once, each in the end', async () => {
    const { port } = await start(Number.POSITIVE_INFINITY, { keptBytesMax: 1_000_000 });
    const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 100 });
    const ends = Array.from({ length: 30 }, async () => {
      const stream = session.request({ ':method': 'POST' });
      stream.end(Buffer.alloc(http2Defaults.streamWindowBytes * 3));
      stream.resume();
      await new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject));
      return stream.rstCode;
    });
    expect(new Set(await Promise.all(ends))).toEqual(new Set([0]));
    session.destroy();
  });
});

describe('streams that are opened at once', () => {
  it('are opened in turns, so that others have theirs', async () => {
    const order: string[] = [];
    const { port } = await startHttp2({ streamsPerTurnMax: 10, streamsMax: 1_000 }, (stream) => {
      order.push(stream.peer);
      stream.sendHeaders(okFields, true);
      return takeAll(stream);
    });
    const [busy, other] = [await greetedClient(port), await greetedClient(port)];
    busy.socket.write(Buffer.concat(Array.from({ length: 1_000 }, (_, index) => headers(2 * index + 1))));
    other.socket.write(headers(1));
    await Promise.all([busy.next(ofType(FrameType.HEADERS, 1_999)), other.next(ofType(FrameType.HEADERS, 1))]);
    const turn = order.indexOf(`127.0.0.1:${other.socket.localPort}`);
    expect([order.length, turn % 10, turn < 990]).toEqual([1_001, 0, true]);
  });

  it('are opened in their order, with all that comes for them, however few a turn', async () => {
    const { port } = await startHttp2({ streamsPerTurnMax: 1 });
    const client = await greetedClient(port);
    const ids = Array.from({ length: 50 }, (_, index) => 2 * index + 1);
    const parts = ids.flatMap((id) => [openRequest(id), data(id, String(id)), data(id, '!', Flag.END_STREAM)]);
    // Cut anywhere.
    const bytes = Buffer.concat(parts);
    for (let start = 0; start < bytes.length; start += 333) client.socket.write(bytes.subarray(start, start + 333));
    await client.next(({ type, flags, streamId }) => type === FrameType.DATA && flags === 1 && streamId === 99);
    const bodyOf = (id: number): string =>
      Buffer.concat(client.frames.filter(ofType(FrameType.DATA, id)).map(({ payload }) => payload)).toString();
    expect(ids.map(bodyOf)).toEqual(ids.map((id) => `${id}!`));
  });

  it('are not opened any more when the client has gone in the middle', async () => {
    const opened: number[] = [];
    const { port, sockets } = await startHttp2({ streamsPerTurnMax: 1, streamsMax: 1_000 }, (stream) => {
      opened.push(stream.id);
      if (stream.id === 3) sockets[0]?.destroy();
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat(Array.from({ length: 100 }, (_, index) => headers(2 * index + 1))));
    await client.closed;
    await eventually(() => sockets[0]?.destroyed).toBe(true);
    expect(opened.length).toBeLessThan(10);
  });
});
