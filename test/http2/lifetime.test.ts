import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { Flag, FrameType, int31Max } from '../../src/http2/frame.ts';
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
  rawClient,
} from '../support/http2-frames.ts';
import { startHttp2, takeAll } from '../support/http2-server.ts';
import { ACK, frame, preface } from '../support/raw-http2.ts';
import { eventually } from '../support/started-listener.ts';

const { SETTINGS_TIMEOUT, ENHANCE_YOUR_CALM, NO_ERROR, CANCEL } = ErrorCode;
const isOurPing = ({ type, flags }: { type: number; flags: number }): boolean => type === FrameType.PING && flags === 0;
const lastStreamOf = ({ payload }: { payload: Buffer }): number => payload.readUInt32BE(0);

describe('a client that takes its time ends', () => {
  it.each([
    ['for its preface', Buffer.alloc(0)],
    ['for the rest of its preface', preface.subarray(0, 20)],
    ['for its SETTINGS', preface],
    ['for acknowledging ours', Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0)])],
  ])('%s', async (_name, opening) => {
    const { port } = await startHttp2({ settingsMs: 50 });
    expect(await endOf(await rawClient(port, opening))).toBe(SETTINGS_TIMEOUT);
  });

  it.each([
    ['a frame', frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(4)).subarray(0, 12), 'headersMs'],
    ['the head of a frame', frame(FrameType.PING, 0, 0).subarray(0, 5), 'headersMs'],
    ['HEADERS', headers(3).subarray(0, 20), 'headersMs'],
    ['a block of several frames', frame(FrameType.HEADERS, 0, 3, block(postFields)), 'headersMs'],
    ['DATA', data(1, 'body').subarray(0, 11), 'readTimeoutMs'],
  ] as const)('for %s', async (_name, bytes, limit) => {
    const { port } = await startHttp2({ [limit]: 50 }, (stream) => {
      stream.letRequestLast();
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), bytes]));
    expect(await endOf(client)).toBe(ENHANCE_YOUR_CALM);
  });
});

describe('a request that takes its time', () => {
  it.each([
    ['to begin its body', { firstDataMs: 50 }, Buffer.alloc(0)],
    ['to end it', { readTimeoutMs: 50 }, data(1, 'body')],
  ])('%s is cancelled, and not the others', async (_name, options, bytes) => {
    const codes: number[] = [];
    const { port, streams } = await startHttp2(options, (stream) => {
      if (stream.id === 3) stream.letRequestLast();
      return takeAll(stream, { reset: (code) => codes.push(stream.id, code) });
    });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), openRequest(3), headers(5), bytes]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM)))).toBe(CANCEL);
    expect(codes).toEqual([1, CANCEL]);
    client.socket.write(Buffer.concat([data(1, 'late'), ping(1)]));
    await client.next(isPong(1));
    expect(streams.map(({ isOpen }) => isOpen)).toEqual([false, true, true]);
  });
});

describe('a connection', () => {
  it('that gives no sign of life is destroyed, with its streams', async () => {
    const codes: number[] = [];
    const { port } = await startHttp2({ keepaliveIntervalMs: 20, keepaliveTimeoutMs: 60 }, (stream) =>
      takeAll(stream, { reset: (code) => codes.push(code) }),
    );
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    await client.next(isOurPing);
    await client.closed;
    expect(codes).toEqual([CANCEL]);
    expect(client.frames.filter(ofType(FrameType.GOAWAY))).toEqual([]);
  });

  it('is asked again once it has answered', async () => {
    const { port, streams } = await startHttp2({ keepaliveIntervalMs: 10, keepaliveTimeoutMs: 60_000 }, takeAll);
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    for (let count = 1; count <= 20; count += 1) {
      await eventually(() => client.frames.filter(isOurPing).length).toBe(count);
      const { payload } = client.frames.filter(isOurPing)[count - 1] ?? {};
      client.socket.write(frame(FrameType.PING, ACK, 0, payload));
    }
    expect(streams.map(({ isOpen }) => isOpen)).toEqual([true]);
  });

  it('without a stream is told to go after a while', async () => {
    const { port } = await startHttp2({ idleMs: 50, closeGraceMs: 20 }, takeAll);
    const client = await greetedClient(port);
    expect(await endOf(client)).toBe(NO_ERROR);
  });

  it('that is old is told to go, once it was used', async () => {
    const { port } = await startHttp2({ ageMsMax: 40, keepaliveIntervalMs: 150 }, takeAll);
    const client = await greetedClient(port);
    await client.next(isOurPing);
    expect(client.frames.filter(ofType(FrameType.GOAWAY))).toEqual([]);
    client.socket.write(headers(1));
    await client.next(ofType(FrameType.GOAWAY));
  });
});

describe('a drain', () => {
  it('takes what was on its way, and names the last stream when all has come', async () => {
    const { port, connections, streams } = await startHttp2({}, takeAll);
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    await eventually(() => streams.length).toBe(1);
    connections[0]?.drain();
    const warning = await client.next(ofType(FrameType.GOAWAY));
    expect([lastStreamOf(warning), codeOf(warning)]).toEqual([int31Max, NO_ERROR]);
    const { payload } = await client.next(isOurPing);
    client.socket.write(Buffer.concat([openRequest(3), frame(FrameType.PING, ACK, 0, payload)]));
    const last = await client.next((one) => one.type === FrameType.GOAWAY && one !== warning);
    expect([lastStreamOf(last), codeOf(last)]).toEqual([3, NO_ERROR]);
    // Too late: whatever they say is ignored, but for the tables that header blocks change.
    const indexed = Buffer.concat([block(postFields), Buffer.from('4003782d610162', 'hex')]);
    client.socket.write(frame(FrameType.HEADERS, Flag.END_HEADERS, 5, indexed));
    client.socket.write(Buffer.concat([data(5, 'late'), headers(5, [['x', 'y']])]));
    client.socket.write(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 3, Buffer.from([0xbe])));
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(streams.map(({ id, isOpen }) => [id, isOpen])).toEqual([
      [1, true],
      [3, true],
    ]);
    for (const stream of streams) stream.sendHeaders([{ name: ':status', value: '204' }], true);
    await client.closed;
    await client.next(ofType(FrameType.HEADERS, 3));
  });

  it('does not wait long for a client that says nothing', async () => {
    const { port, connections } = await startHttp2({ closeGraceMs: 30 }, takeAll);
    const client = await greetedClient(port);
    connections[0]?.drain();
    connections[0]?.drain();
    await client.closed;
    expect(client.frames.filter(ofType(FrameType.GOAWAY)).map(lastStreamOf)).toEqual([int31Max, 0]);
  });

  it('begins when the client says that it goes', async () => {
    const { port, streams } = await startHttp2({ closeGraceMs: 30 });
    const client = await greetedClient(port);
    client.socket.write(Buffer.concat([openRequest(1), frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(8))]));
    await eventually(() => streams.length).toBe(1);
    client.socket.write(data(1, 'the last of it', Flag.END_STREAM));
    await client.closed;
    expect((await client.next(ofType(FrameType.DATA))).payload.toString()).toBe('the last of it');
  });

  it('lets an answer out that was written last', async () => {
    const { port, connections, streams } = await startHttp2({ closeGraceMs: 30 }, takeAll);
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    await eventually(() => streams.length).toBe(1);
    connections[0]?.drain();
    await client.next((one) => one.type === FrameType.GOAWAY && lastStreamOf(one) === 1);
    streams[0]?.sendHeaders([{ name: ':status', value: '200' }]);
    streams[0]?.sendData(Buffer.alloc(60_000), true);
    await client.closed;
    const received = client.frames.filter(ofType(FrameType.DATA)).map(({ payload }) => payload.length);
    expect(received.reduce((sum, bytes) => sum + bytes, 0)).toBe(60_000);
  });
});
