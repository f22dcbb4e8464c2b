import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { Flag, FrameType, int31Max } from '../../src/http2/frame.ts';
import { SettingId } from '../../src/http2/settings.ts';
import {
  block,
  codeOf,
  data,
  endOf,
  type Fields,
  greetedClient,
  headers,
  isPong,
  ofType,
  openRequest,
  ping,
  postFields,
  rawClient,
  reset,
  setting,
  uint32,
  windowUpdate,
} from '../support/http2-frames.ts';
import { startHttp2, takeAll } from '../support/http2-server.ts';
import { frame, preface } from '../support/raw-http2.ts';
import { eventually } from '../support/started-listener.ts';

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR } = ErrorCode;
const none = Buffer.alloc(0);

/** What ends a connection, each behind a stream 1 that is open. */
const connectionErrors: readonly (readonly [name: string, bytes: Buffer, code: number])[] = [
  ['DATA of no stream', data(0, 'x'), PROTOCOL_ERROR],
  ['DATA of a stream that was never opened', data(3, 'x'), PROTOCOL_ERROR],
  ['DATA of a stream of ours', data(2, 'x'), PROTOCOL_ERROR],
  [
    'DATA with more padding than payload',
    frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from([3, 0, 0])),
    PROTOCOL_ERROR,
  ],
  ['padded DATA of no bytes', frame(FrameType.DATA, Flag.PADDED, 1), FRAME_SIZE_ERROR],
  ['HEADERS of no stream', headers(0), PROTOCOL_ERROR],
  ['HEADERS of an even stream', headers(2), PROTOCOL_ERROR],
  ['HEADERS of a stream that has ended', Buffer.concat([headers(3), reset(3, 8), headers(3)]), STREAM_CLOSED],
  ['HEADERS of the first stream that was passed over', Buffer.concat([headers(9), headers(3)]), PROTOCOL_ERROR],
  ['HEADERS of the last stream that was passed over', Buffer.concat([headers(9), headers(7)]), PROTOCOL_ERROR],
  [
    'HEADERS with half a priority',
    frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.PRIORITY, 3, uint32(0)),
    FRAME_SIZE_ERROR,
  ],
  [
    'HEADERS that name no field',
    frame(FrameType.HEADERS, Flag.END_HEADERS, 3, Buffer.from([0xff, 0x80, 0x01])),
    COMPRESSION_ERROR,
  ],
  [
    'HEADERS that begin within others',
    Buffer.concat([frame(FrameType.HEADERS, 0, 3, block(postFields)), headers(5)]),
    PROTOCOL_ERROR,
  ],
  ['PING within HEADERS', Buffer.concat([frame(FrameType.HEADERS, 0, 3, block(postFields)), ping(1)]), PROTOCOL_ERROR],
  ['an unknown frame within HEADERS', Buffer.concat([frame(FrameType.HEADERS, 0, 3), frame(77, 0, 3)]), PROTOCOL_ERROR],
  ['CONTINUATION of nothing', frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1), PROTOCOL_ERROR],
  [
    'CONTINUATION of another stream',
    Buffer.concat([frame(FrameType.HEADERS, 0, 3), frame(FrameType.CONTINUATION, 4, 1)]),
    PROTOCOL_ERROR,
  ],
  ['PRIORITY of no stream', frame(FrameType.PRIORITY, 0, 0, Buffer.alloc(5)), PROTOCOL_ERROR],
  ['PRIORITY of four bytes', frame(FrameType.PRIORITY, 0, 1, uint32(0)), FRAME_SIZE_ERROR],
  ['PRIORITY of a stream on itself', frame(FrameType.PRIORITY, 0, 9, Buffer.from([0, 0, 0, 9, 1])), PROTOCOL_ERROR],
  ['RST_STREAM of no stream', reset(0, 0), PROTOCOL_ERROR],
  ['RST_STREAM of a stream that was never opened', reset(3, 0), PROTOCOL_ERROR],
  ['RST_STREAM of five bytes', frame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(5)), FRAME_SIZE_ERROR],
  ['SETTINGS of a stream', frame(FrameType.SETTINGS, 0, 1), PROTOCOL_ERROR],
  ['SETTINGS that are cut off', frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(7)), FRAME_SIZE_ERROR],
  ['an acknowledgement with SETTINGS', frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(6)), FRAME_SIZE_ERROR],
  ['SETTINGS_ENABLE_PUSH of 2', setting(SettingId.ENABLE_PUSH, 2), PROTOCOL_ERROR],
  ['SETTINGS_INITIAL_WINDOW_SIZE of 2^31', setting(SettingId.INITIAL_WINDOW_SIZE, 2 ** 31), FLOW_CONTROL_ERROR],
  ['SETTINGS_MAX_FRAME_SIZE of 16,383', setting(SettingId.MAX_FRAME_SIZE, 16_383), PROTOCOL_ERROR],
  ['SETTINGS_MAX_FRAME_SIZE of 2^24', setting(SettingId.MAX_FRAME_SIZE, 2 ** 24), PROTOCOL_ERROR],
  [
    'SETTINGS that widen a window too far',
    Buffer.concat([windowUpdate(1, int31Max - 65_535), setting(SettingId.INITIAL_WINDOW_SIZE, 65_536)]),
    FLOW_CONTROL_ERROR,
  ],
  ['PUSH_PROMISE', frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, uint32(2)), PROTOCOL_ERROR],
  ['PING of a stream', frame(FrameType.PING, 0, 1, Buffer.alloc(8)), PROTOCOL_ERROR],
  ['PING of seven bytes', frame(FrameType.PING, 0, 0, Buffer.alloc(7)), FRAME_SIZE_ERROR],
  ['GOAWAY of a stream', frame(FrameType.GOAWAY, 0, 1, Buffer.alloc(8)), PROTOCOL_ERROR],
  ['GOAWAY of seven bytes', frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7)), FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE by nothing', windowUpdate(0, 0), PROTOCOL_ERROR],
  ['WINDOW_UPDATE too far', windowUpdate(0, int31Max - 65_534), FLOW_CONTROL_ERROR],
  ['WINDOW_UPDATE of a stream that was never opened', windowUpdate(3, 1), PROTOCOL_ERROR],
  ['WINDOW_UPDATE of three bytes', frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(3)), FRAME_SIZE_ERROR],
  ['a frame that is too large', frame(FrameType.DATA, 0, 1, Buffer.alloc(16_385)), FRAME_SIZE_ERROR],
];

/** What ends stream 1 alone, which is open. */
const streamErrors: readonly (readonly [name: string, bytes: Buffer, code: number])[] = [
  ['DATA behind the last', Buffer.concat([data(1, 'x', Flag.END_STREAM), data(1, 'y')]), STREAM_CLOSED],
  ['trailers behind the last', Buffer.concat([data(1, 'x', Flag.END_STREAM), headers(1, [['a', 'b']])]), STREAM_CLOSED],
  ['trailers that are not the last', headers(1, [['a', 'b']], 0), PROTOCOL_ERROR],
  ['trailers with a pseudo-header field', headers(1, [[':path', '/']]), PROTOCOL_ERROR],
  ['trailers of the connection', headers(1, [['connection', 'close']]), PROTOCOL_ERROR],
  ['WINDOW_UPDATE by nothing', windowUpdate(1, 0), PROTOCOL_ERROR],
  ['WINDOW_UPDATE too far', windowUpdate(1, int31Max - 65_534), FLOW_CONTROL_ERROR],
];

/** Fields with which no stream may be opened. */
const malformed: readonly (readonly [name: string, fields: Fields])[] = [
  ['without a method', postFields.slice(1)],
  ['without a scheme', [...postFields.slice(0, 1), ...postFields.slice(2)]],
  ['without a path', [...postFields.slice(0, 2), ...postFields.slice(3)]],
  ['with upper case', [...postFields, ['X-Up', '1']]],
  ['with a response’s pseudo-header field', [...postFields, [':status', '200']]],
  ['with a length and no body', [...postFields, ['content-length', '1']]],
];

describe('a connection ends', () => {
  it.each(connectionErrors)('at %s', async (_name, bytes, code) => {
    const { port, streams, failures } = await startHttp2({}, (stream) => takeAll(stream));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), bytes]));
    expect(await endOf(client)).toBe(code);
    expect(failures.map((failure) => failure.code)).toEqual([code]);
    expect(streams.map((stream) => stream.isOpen)).not.toContain(true);
  });

  it.each([
    ['that does not begin with the preface', Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')],
    ['without SETTINGS', Buffer.concat([preface, ping(1)])],
    ['that acknowledges first', Buffer.concat([preface, frame(FrameType.SETTINGS, Flag.ACK, 0)])],
  ])('at a client %s', async (_name, opening) => {
    const { port } = await startHttp2();
    expect(await endOf(await rawClient(port, opening))).toBe(PROTOCOL_ERROR);
  });

  it('at DATA of a stream that was passed over', async () => {
    const { port } = await startHttp2({}, (stream) => takeAll(stream));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([headers(5), data(3, 'x')]));
    expect(await endOf(client)).toBe(STREAM_CLOSED);
  });
});

describe('a stream ends', () => {
  it.each(streamErrors)('at %s', async (_name, bytes, code) => {
    const codes: number[] = [];
    const { port, failures } = await startHttp2({}, (stream) => takeAll(stream, { reset: (one) => codes.push(one) }));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), bytes, ping(1)]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(code);
    await client.next(isPong(1));
    expect([codes, failures]).toEqual([[code], []]);
  });

  it.each(malformed)('before its handler hears of it: %s', async (_name, fields) => {
    const { port, streams, failures } = await startHttp2();
    const client = await greetedClient(port);
    // What comes later on it was sent before the client could know.
    client.socket.write(Buffer.concat([headers(1, fields), windowUpdate(1, 5), data(1, 'body'), reset(1, 8), ping(1)]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(PROTOCOL_ERROR);
    await client.next(isPong(1));
    expect([streams, failures]).toEqual([[], []]);
  });

  it('that depends on itself', async () => {
    const { port, streams } = await startHttp2();
    const client = await greetedClient(port);
    const priority = Buffer.from([0, 0, 0, 1, 16]);
    const flags = Flag.END_HEADERS | Flag.PRIORITY;
    client.socket.write(frame(FrameType.HEADERS, flags, 1, Buffer.concat([priority, block(postFields)])));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(PROTOCOL_ERROR);
    expect(streams).toEqual([]);
  });

  it.each([
    ['longer than it says', [data(1, 'four!')]],
    ['longer than it says, by the next frame', [data(1, 'four'), data(1, '!')]],
    ['shorter than it says', [data(1, 'fou', Flag.END_STREAM)]],
    ['shorter than it says, with trailers', [data(1, 'fou'), headers(1, [['a', 'b']])]],
  ])('whose body is %s', async (_name, frames) => {
    const { port } = await startHttp2({}, (stream) => takeAll(stream));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1, [['content-length', '4']]), ...frames]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(PROTOCOL_ERROR);
  });

  it('with NO_ERROR when it was answered before it was whole, and what still comes is ignored', async () => {
    const { port, streams, failures } = await startHttp2({}, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }], true);
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.write(openRequest(1));
    const end = await client.next(ofType(FrameType.RST_STREAM, 1));
    expect(codeOf(end)).toBe(ErrorCode.NO_ERROR);
    const answer = await client.next(ofType(FrameType.HEADERS, 1));
    expect(client.frames.indexOf(answer)).toBeLessThan(client.frames.indexOf(end));
    client.socket.write(Buffer.concat([data(1, 'late'), headers(1, [['a', 'b']]), ping(1)]));
    await client.next(isPong(1));
    expect([failures, streams.map((stream) => stream.isOpen)]).toEqual([[], [false]]);
  });
});

describe('windows', () => {
  it('of a stream: what fits them is taken, one byte more ends the stream', async () => {
    const { port, failures } = await startHttp2({ streamWindowBytes: 100 }, (stream) => takeAll(stream, { data() {} }));
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), data(1, Buffer.alloc(100)), ping(1)]));
    await client.next(isPong(1));
    expect(client.frames.filter(ofType(FrameType.RST_STREAM))).toEqual([]);
    client.socket.write(Buffer.concat([data(1, 'x'), ping(2)]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM)))).toBe(FLOW_CONTROL_ERROR);
    await client.next(isPong(2));
    expect(failures).toEqual([]);
  });

  it('of the connection: what fits is taken, one byte more ends the connection', async () => {
    const options = { streamWindowBytes: 100_000, connectionWindowBytes: 65_535 };
    const { port } = await startHttp2(options, (stream) => takeAll(stream, { data() {} }));
    const client = await greetedClient(port);
    const part = Buffer.alloc(13_107);
    client.socket.write(openRequest(1));
    for (let count = 0; count < 5; count += 1) client.socket.write(data(1, part));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    client.socket.write(data(1, 'x'));
    expect(await endOf(client)).toBe(FLOW_CONTROL_ERROR);
  });

  it('are given back when half of them was consumed, padding by itself, and those of ended streams', async () => {
    const { port, streams } = await startHttp2({ streamWindowBytes: 100, connectionWindowBytes: 65_535 }, (stream) =>
      takeAll(stream, { data() {} }),
    );
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), data(1, Buffer.alloc(50))]));
    await eventually(() => streams.length).toBe(1);
    client.socket.write(ping(1));
    await client.next(isPong(1));
    streams[0]?.consumed(49);
    const padded = Buffer.concat([Buffer.from([39]), Buffer.alloc(10), Buffer.alloc(39)]);
    client.socket.write(Buffer.concat([frame(FrameType.DATA, Flag.PADDED, 1, padded), ping(2)]));
    expect((await client.next(ofType(FrameType.WINDOW_UPDATE, 1))).payload).toEqual(uint32(49 + 40));
    await client.next(isPong(2));
    // More than came is not given back.
    streams[0]?.consumed(1_000_000);
    expect(streams[0]?.unsentBytes).toBe(0);
  });

  it('of the peer hold data back byte for byte, also where it narrows them below nothing', async () => {
    const { port, streams } = await startHttp2({}, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    const received = (): number =>
      client.frames.filter(ofType(FrameType.DATA)).reduce((sum, { payload }) => sum + payload.length, 0);
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 10), headers(1)]));
    await client.next(ofType(FrameType.HEADERS));
    streams[0]?.sendData(Buffer.alloc(100));
    await eventually(received).toBe(10);
    client.socket.write(Buffer.concat([windowUpdate(1, 5), ping(1)]));
    await client.next(isPong(1));
    await eventually(received).toBe(15);
    // The window is what it was at first, and 5, less 15 that were sent: it falls to -10.
    client.socket.write(Buffer.concat([setting(SettingId.INITIAL_WINDOW_SIZE, 0), windowUpdate(1, 10), ping(2)]));
    await client.next(isPong(2));
    expect([received(), streams[0]?.unsentBytes]).toEqual([15, 85]);
    client.socket.write(Buffer.concat([windowUpdate(1, 6), setting(SettingId.INITIAL_WINDOW_SIZE, 1), ping(3)]));
    await client.next(isPong(3));
    await eventually(received).toBe(22);
    client.socket.write(windowUpdate(1, 1_000));
    await eventually(received).toBe(100);
    streams[0]?.sendTrailers([{ name: 'grpc-status', value: '0' }]);
    await client.next(({ type, flags }) => type === FrameType.HEADERS && (flags & Flag.END_STREAM) !== 0);
  });
});

describe('what means nothing', () => {
  it('is ignored', async () => {
    const { port, failures } = await startHttp2();
    const client = await greetedClient(port);
    client.socket.write(
      Buffer.concat([
        frame(200, 0xff, 77, Buffer.alloc(100)),
        setting(0x99, 12),
        setting(SettingId.MAX_HEADER_LIST_SIZE, 0),
        frame(FrameType.PRIORITY, 0, 99, Buffer.alloc(5)),
        frame(FrameType.SETTINGS, Flag.ACK, 0),
        frame(FrameType.PING, Flag.ACK, 0, Buffer.from('whatever')),
        // The highest bit of a stream's number.
        frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 2 ** 31 + 1, block(postFields)),
        ping(9),
      ]),
    );
    await client.next(ofType(FrameType.HEADERS, 1));
    await client.next(isPong(9));
    expect(failures).toEqual([]);
  });

  it('is no reason to lose fields: blocks may be padded, have priorities and be cut anywhere', async () => {
    const { port, streams } = await startHttp2({ headerFramesMax: 200 });
    const client = await greetedClient(port);
    const fields = block([...postFields, ['x-field', 'value']]);
    const padded = Buffer.concat([Buffer.from([7, 0, 0, 0, 3, 16]), fields, Buffer.alloc(7)]);
    const flags = Flag.END_HEADERS | Flag.END_STREAM;
    const pieces = Array.from(fields, (byte) => frame(FrameType.CONTINUATION, 0, 3, Buffer.from([byte])));
    client.socket.write(
      Buffer.concat([
        frame(FrameType.HEADERS, flags | Flag.PADDED | Flag.PRIORITY, 1, padded),
        frame(FrameType.HEADERS, Flag.END_STREAM, 3, none),
        ...pieces,
        frame(FrameType.CONTINUATION, Flag.END_HEADERS, 3, none),
      ]),
    );
    await client.next(ofType(FrameType.HEADERS, 3));
    expect(streams.map((stream) => [stream.id, stream.headers, stream.isWhole])).toEqual([
      [1, [{ name: 'x-field', value: 'value' }], true],
      [3, [{ name: 'x-field', value: 'value' }], true],
    ]);
  });
});
