import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { Flag, FrameType } from '../../src/http2/frame.ts';
import { SettingId } from '../../src/http2/settings.ts';
import type { Http2Stream } from '../../src/http2/stream.ts';
import {
  block,
  codeOf,
  data,
  endOf,
  greetedClient,
  headers,
  isPong,
  ofType,
  openRequest,
  ping,
  postFields,
  reset,
  setting,
  windowUpdate,
} from '../support/http2-frames.ts';
import { startHttp2, takeAll } from '../support/http2-server.ts';
import { frame, type RawHttp2Client } from '../support/raw-http2.ts';
import { eventually } from '../support/started-listener.ts';

const { ENHANCE_YOUR_CALM, REFUSED_STREAM, CANCEL } = ErrorCode;

/** Sends it so many times at once. */
function repeat(client: RawHttp2Client, count: number, bytes: (index: number) => Buffer): void {
  client.socket.write(Buffer.concat(Array.from({ length: count }, (_, index) => bytes(index))));
}

/** Answers nothing. */
const takeSilently = (stream: Http2Stream): ReturnType<typeof takeAll> => takeAll(stream);

describe('streams', () => {
  it('that are too many are refused until one of the others ends', async () => {
    const { port, streams, failures } = await startHttp2({ streamsMax: 2 }, takeSilently);
    const client = await greetedClient(port);
    const [announced] = client.frames.filter(ofType(FrameType.SETTINGS));
    expect(announced?.payload.subarray(0, 6).toString('hex')).toBe('000300000002');
    client.socket.write(Buffer.concat([headers(1), headers(3), headers(5), data(5, 'late')]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 5)))).toBe(REFUSED_STREAM);
    client.socket.write(Buffer.concat([reset(3, CANCEL), headers(7), ping(1)]));
    await client.next(isPong(1));
    expect([streams.map(({ id, isOpen }) => [id, isOpen]), failures]).toEqual([
      [
        [1, true],
        [3, false],
        [7, true],
      ],
      [],
    ]);
  });

  it('may be reset young as often as is allowed, and not once more', async () => {
    const limits = { youngResetsMax: 20, youngResetsPerSecond: 0, youngStreamMs: 60_000 };
    const { port, streams, failures } = await startHttp2(limits, takeSilently);
    const client = await greetedClient(port);
    repeat(client, 20, (index) => Buffer.concat([headers(2 * index + 1), reset(2 * index + 1, CANCEL)]));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    repeat(client, 1_000, (index) => Buffer.concat([headers(2 * index + 41), reset(2 * index + 41, CANCEL)]));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
    expect([streams.length, failures.length]).toEqual([21, 1]);
  });

  it('may be reset as often as one likes when they are older, or were answered', async () => {
    const limits = { youngResetsMax: 0, youngResetsPerSecond: 0, youngStreamMs: 0 };
    const { port, failures } = await startHttp2(limits, takeSilently);
    const client = await greetedClient(port);
    repeat(client, 100, (index) => Buffer.concat([headers(2 * index + 1), reset(2 * index + 1, CANCEL)]));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(failures).toEqual([]);
  });

  it.each([
    ['that make us reset them', 100, (id: number) => Buffer.concat([openRequest(id), windowUpdate(id, 0)])],
    ['that are malformed', 100, (id: number) => headers(id, postFields.slice(1))],
    ['that are too many', 0, (id: number) => headers(id)],
    ['whose fields are too large', 100, (id: number) => headers(id, [...postFields, ['x', 'y'.repeat(3_000)]])],
  ])('%s count as young resets', async (_name, streamsMax, bytes) => {
    const limits = { youngResetsMax: 5, youngResetsPerSecond: 0, youngStreamMs: 0, headerBytesMax: 3_000 };
    const { port, failures } = await startHttp2({ ...limits, streamsMax }, takeSilently);
    const client = await greetedClient(port);
    repeat(client, 5, (index) => bytes(2 * index + 1));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(failures).toEqual([]);
    client.socket.write(bytes(11));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });
});

describe('frames that bring nothing forward', () => {
  /** Sent where stream 3 has ended, 7 is open, and 9 was reset by us. */
  const kinds: readonly (readonly [name: string, bytes: Buffer])[] = [
    ['PING', ping(7)],
    ['PING answers to nothing', frame(FrameType.PING, Flag.ACK, 0, Buffer.alloc(8))],
    ['SETTINGS', setting(SettingId.INITIAL_WINDOW_SIZE, 1_000)],
    ['acknowledgements of SETTINGS', frame(FrameType.SETTINGS, Flag.ACK, 0)],
    ['PRIORITY', frame(FrameType.PRIORITY, 0, 7, Buffer.alloc(5))],
    ['WINDOW_UPDATE', windowUpdate(0, 1)],
    ['WINDOW_UPDATE of a stream', windowUpdate(7, 1)],
    ['WINDOW_UPDATE of a stream that has ended', windowUpdate(3, 1)],
    ['RST_STREAM of a stream that has ended', reset(3, CANCEL)],
    ['empty DATA', data(7, '')],
    ['DATA of one byte', data(7, 'x')],
    ['unknown frames', frame(99, 0, 0)],
    ['DATA of a stream that we reset', data(9, 'x'.repeat(8))],
  ];

  it.each(kinds)('are %s: the last that is allowed is served, and not one more', async (_name, bytes) => {
    const limits = { controlFramesMax: 40, controlFramesPerSecond: 0, youngStreamMs: 0, streamsMax: 1 };
    const { port, failures } = await startHttp2(limits, (stream) => takeAll(stream, { data() {} }));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([headers(3), reset(3, CANCEL), openRequest(7), headers(9)]));
    await client.next(ofType(FrameType.RST_STREAM, 9));
    // What opened streams made up for is counted from the next frame on.
    repeat(client, 39, () => bytes);
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(failures).toEqual([]);
    repeat(client, 2_000, () => bytes);
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });

  it('are windows that are opened byte by byte', async () => {
    const { port } = await startHttp2({ controlFramesMax: 100, controlFramesPerSecond: 0 }, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      stream.sendData(Buffer.alloc(10_000), true);
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 0), headers(1)]));
    repeat(client, 1_000, () => windowUpdate(1, 1));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });

  it('are made up for by requests and answers', async () => {
    const { port, failures } = await startHttp2({ controlFramesMax: 10, controlFramesPerSecond: 0 });
    const client = await greetedClient(port);
    repeat(client, 200, (index) => Buffer.concat([headers(2 * index + 1), ping(2), windowUpdate(0, 1), ping(2)]));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(failures).toEqual([]);
  });
});

describe('headers', () => {
  const size = postFields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);

  it('are served up to their bytes, and answered 431 above', async () => {
    const { port, streams } = await startHttp2({ headerBytesMax: 1_000 });
    const client = await greetedClient(port);
    const room = 1_000 - size - 32 - 1;
    client.socket.write(headers(1, [...postFields, ['x', 'y'.repeat(room)]]));
    client.socket.write(headers(3, [...postFields, ['x', 'y'.repeat(room + 1)]], 0));
    const answer = await client.next(ofType(FrameType.HEADERS, 3));
    expect(answer.flags).toBe(Flag.END_HEADERS | Flag.END_STREAM);
    expect(answer.payload.toString('latin1')).toContain('431');
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 3)))).toBe(ErrorCode.NO_ERROR);
    expect(streams.map(({ id }) => id)).toEqual([1]);
  });

  it('are served up to their number, and answered 431 above', async () => {
    const { port, streams } = await startHttp2({ headerFieldsMax: 6 });
    const client = await greetedClient(port);
    const more = [
      ['a', ''],
      ['b', ''],
    ] as const;
    client.socket.write(headers(1, [...postFields, ...more, ['c', '']]));
    client.socket.write(headers(3, [...postFields, ...more]));
    await client.next(ofType(FrameType.HEADERS, 3));
    expect((await client.next(ofType(FrameType.HEADERS, 1))).payload.toString('latin1')).toContain('431');
    expect(streams.map(({ id }) => id)).toEqual([3]);
  });

  it('may be cut into so many frames', async () => {
    const { port } = await startHttp2({ headerFramesMax: 3 });
    const client = await greetedClient(port);
    const begun = frame(FrameType.HEADERS, Flag.END_STREAM, 1, block(postFields));
    const more = frame(FrameType.CONTINUATION, 0, 1);
    client.socket.write(Buffer.concat([begun, more, frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1)]));
    await client.next(ofType(FrameType.HEADERS, 1));
    client.socket.write(
      Buffer.concat([frame(FrameType.HEADERS, Flag.END_STREAM, 3), frame(FrameType.CONTINUATION, 0, 3)]),
    );
    repeat(client, 100_000, () => frame(FrameType.CONTINUATION, 0, 3));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });

  it('are not even kept when they are far too large', async () => {
    const { port } = await startHttp2({ headerBytesMax: 1_000 });
    const client = await greetedClient(port);
    const part = block([['x', 'y'.repeat(1_990)]]);
    client.socket.write(frame(FrameType.HEADERS, Flag.END_STREAM, 1, part));
    client.socket.write(frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, part));
    expect((await client.next(ofType(FrameType.HEADERS, 1))).payload.toString('latin1')).toContain('431');
    client.socket.write(frame(FrameType.HEADERS, Flag.END_STREAM, 3, part));
    client.socket.write(frame(FrameType.CONTINUATION, 0, 3, Buffer.alloc(4_001 - part.length)));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });
});

describe('what waits for the peer', () => {
  it('makes a handler wait above the limit of its stream, and tells it of room', async () => {
    let drainCount = 0;
    const { port, streams } = await startHttp2({ streamUnsentBytesMax: 100 }, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      return takeAll(stream, {
        drain: () => {
          drainCount += 1;
        },
      });
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 0), headers(1)]));
    await client.next(ofType(FrameType.HEADERS));
    const [stream] = streams;
    expect([stream?.sendData(Buffer.alloc(100)), stream?.sendData(Buffer.alloc(1))]).toEqual([true, false]);
    client.socket.write(Buffer.concat([windowUpdate(1, 50), ping(1)]));
    await client.next(isPong(1));
    expect([drainCount, stream?.unsentBytes]).toEqual([0, 51]);
    client.socket.write(Buffer.concat([windowUpdate(1, 1), ping(2)]));
    await client.next(isPong(2));
    expect([drainCount, stream?.unsentBytes]).toEqual([1, 50]);
    client.socket.write(Buffer.concat([windowUpdate(1, 50), ping(3)]));
    await client.next(isPong(3));
    expect([drainCount, stream?.unsentBytes]).toEqual([1, 0]);
  });

  it('is kept by streams when the network takes no more, and let go when it does', async () => {
    const limits = { unsentBytesMax: 50_000 };
    const { port, streams, sockets } = await startHttp2(limits, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      stream.sendData(Buffer.alloc(20_000_000), true);
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.pause();
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 2 ** 31 - 1), windowUpdate(0, 2 ** 30)]));
    client.socket.write(headers(1));
    await eventually(() => (sockets[0]?.writableLength ?? 0) > 0).toBe(true);
    expect(sockets[0]?.writableLength).toBeLessThan(50_000 + 65_536);
    expect(streams[0]?.unsentBytes).toBeGreaterThan(1_000_000);
    client.socket.resume();
    await client.next(({ type, flags }) => type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0);
  });

  it('of all streams together has new ones refused, until the peer takes it or does not want it', async () => {
    const { port, streams } = await startHttp2({ pendingBytesMax: 1_000, streamUnsentBytesMax: 10_000 }, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      stream.sendData(Buffer.alloc(500));
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 0), headers(1), headers(3)]));
    // As much as may wait, and one byte more.
    await eventually(() => streams.length).toBe(2);
    streams[0]?.sendData(Buffer.alloc(1));
    client.socket.write(headers(5));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 5)))).toBe(REFUSED_STREAM);
    client.socket.write(Buffer.concat([windowUpdate(1, 1), headers(7), ping(1)]));
    await client.next(isPong(1));
    client.socket.write(Buffer.concat([headers(9), ping(2)]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 9)))).toBe(REFUSED_STREAM);
    client.socket.write(Buffer.concat([reset(1, CANCEL), reset(3, CANCEL), reset(7, CANCEL)]));
    client.socket.write(Buffer.concat([windowUpdate(0, 1), headers(11), headers(13), headers(15), ping(3)]));
    await client.next(isPong(3));
    expect(streams.map(({ id }) => id)).toEqual([1, 3, 7, 11, 13, 15]);
  });

  it('stops reading from a peer that reads nothing, until it reads', async () => {
    const limits = { unsentBytesMax: 1_000, controlFramesMax: Number.POSITIVE_INFINITY };
    const { port, sockets } = await startHttp2(limits);
    const client = await greetedClient(port);
    client.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 50_000 }, () => ping(3)));
    let writtenCount = 0;
    while (sockets[0]?.isPaused() !== true) {
      writtenCount += 50_000;
      await new Promise<void>((resolve) => {
        client.socket.write(pings, () => resolve());
        setTimeout(resolve, 50);
      });
    }
    client.socket.write(ping(4));
    client.socket.resume();
    await client.next(isPong(4));
    expect(client.frames.filter(isPong(3))).toHaveLength(writtenCount);
    expect(sockets[0]?.isPaused()).toBe(false);
  });
});

describe('an end', () => {
  it('comes also to an abuser that reads nothing and goes on', async () => {
    const { port, sockets } = await startHttp2({ controlFramesMax: 1_000, closeGraceMs: 100 });
    const client = await greetedClient(port);
    client.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 5_000 }, () => ping(3)));
    const flood = setInterval(() => client.socket.write(pings), 5);
    await eventually(() => sockets[0]?.destroyed).toBe(true);
    clearInterval(flood);
  });

  it('by a handler that throws is told as our mistake', async () => {
    const { port, failures } = await startHttp2({}, () => {
      throw new TypeError('a mistake in a handler');
    });
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    expect(await endOf(client)).toBe(ErrorCode.INTERNAL_ERROR);
    expect(failures[0]?.cause).toBeInstanceOf(TypeError);
  });

  it.each([
    ['that closes its side', (client: RawHttp2Client) => client.socket.end()],
    ['that breaks off', (client: RawHttp2Client) => client.socket.resetAndDestroy()],
  ])('by a client %s is told to every stream', async (_name, leave) => {
    const codes: number[] = [];
    const { port, sockets, failures } = await startHttp2({}, (stream) =>
      takeAll(stream, { reset: (code) => codes.push(code) }),
    );
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), headers(3), ping(1)]));
    await client.next(isPong(1));
    leave(client);
    await eventually(() => codes).toEqual([CANCEL, CANCEL]);
    await eventually(() => sockets[0]?.destroyed).toBe(true);
    expect(failures).toEqual([]);
  });
});
