import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import type { RequestHandler } from '../../../src/proxy/port/listener.ts';
import {
  ACK,
  CANCEL,
  END_STREAM,
  FrameType,
  frame,
  type RawHttp2Client,
  requestHeaders,
} from '../../support/raw-http2.ts';
import { eventually, http2Client, post, rawHttp2Client, startListener } from '../../support/started-listener.ts';

/** Answers with headers and then never ends, as a stream of messages does that has none. */
function openHandler(): { handler: RequestHandler; startedCount: () => number; closedCount: () => number } {
  let startedCount = 0;
  let closedCount = 0;
  const handler: RequestHandler = (request, response) => {
    startedCount += 1;
    request.resume();
    response.once('close', () => {
      closedCount += 1;
    });
    response.writeHead(200);
    // Http2ServerResponse has it as well; its types do not say so.
    if ('flushHeaders' in response) response.flushHeaders();
  };
  return { handler, startedCount: () => startedCount, closedCount: () => closedCount };
}

/** Answers with more than the buffers of both sockets hold. */
const fill: RequestHandler = (_request, response) => {
  response.writeHead(200);
  response.end(Buffer.alloc(16_000_000));
};

/** A client that asks for one answer, opens all windows for it, and reads nothing. */
async function deafClient(port: number): Promise<RawHttp2Client> {
  const client = await rawHttp2Client(port);
  client.socket.pause();
  const streamWindow = frame(FrameType.SETTINGS, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
  const connectionWindow = frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.from([0x7f, 0, 0, 0]));
  client.socket.write(Buffer.concat([streamWindow, connectionWindow, requestHeaders(1, true)]));
  return client;
}

const goawayCode = (payload: Buffer): number => payload.readUInt32BE(4);
const isGoaway = ({ type }: { type: number }): boolean => type === FrameType.GOAWAY;

describe('keep-alive', () => {
  it('ends a connection whose peer gives no sign of life, and its streams with it', async () => {
    const { handler, startedCount, closedCount } = openHandler();
    const { port, metrics } = await startListener({ handler, keepaliveIntervalMs: 50, keepaliveTimeoutMs: 100 });
    const client = await rawHttp2Client(port);
    client.socket.write(requestHeaders(1, true));
    await client.next(({ type, flags }) => type === FrameType.PING && flags === 0);
    const pingedMs = performance.now();
    await client.closed;
    expect(performance.now() - pingedMs).toBeGreaterThan(80);
    expect(startedCount()).toBe(1);
    await eventually(() => [closedCount(), metrics.snapshot().active_connections]).toEqual([1, 0]);
  });

  it('ends it also when the peer reads nothing, so that no farewell can be written', async () => {
    const { port, metrics } = await startListener({ handler: fill, keepaliveIntervalMs: 50, keepaliveTimeoutMs: 100 });
    await deafClient(port);
    await eventually(() => metrics.snapshot().total_connections).toBe(1);
    await eventually(() => metrics.snapshot().active_connections).toBe(0);
  });

  it('keeps a connection whose peer answers, with streams that last many intervals', async () => {
    const { handler, closedCount } = openHandler();
    const { port } = await startListener({
      handler,
      keepaliveIntervalMs: 20,
      keepaliveTimeoutMs: 1000,
      limits: { idleMs: 50 },
    });
    const session = http2Client(port);
    const stream = session.request({ ':path': '/' });
    await once(stream, 'response');
    await new Promise((resolve) => {
      let pingCount = 0;
      session.on('ping', () => {
        pingCount += 1;
        if (pingCount === 10) resolve(undefined);
      });
    });
    expect([session.destroyed, stream.closed, closedCount()]).toEqual([false, false, 0]);
  });

  it('takes any byte as a sign of life: the answer may wait behind an upload', async () => {
    const { port } = await startListener({ keepaliveIntervalMs: 50, keepaliveTimeoutMs: 500 });
    const client = await rawHttp2Client(port);
    client.socket.write(requestHeaders(1, false));
    let sentCount = 0;
    const upload = setInterval(() => {
      client.socket.write(frame(FrameType.DATA, 0, 1, Buffer.from('x')));
      sentCount += 1;
    }, 20);
    await eventually(() => sentCount).toBeGreaterThan(50);
    expect(client.socket.closed).toBe(false);
    clearInterval(upload);
    await client.closed;
  });
});

describe('read timeout', () => {
  it('resets a stream whose request does not come whole in time, and no other', async () => {
    const { handler, closedCount } = openHandler();
    const { port } = await startListener({ handler, readTimeoutMs: 100 });
    const client = await rawHttp2Client(port);
    // 1 is whole with its headers, 3 with its body, 5 never ends its body, 7 sends none.
    client.socket.write(
      Buffer.concat([
        requestHeaders(1, true),
        requestHeaders(3, false),
        frame(FrameType.DATA, END_STREAM, 3, Buffer.from('whole')),
        requestHeaders(5, false),
        frame(FrameType.DATA, 0, 5, Buffer.from('part')),
        requestHeaders(7, false),
      ]),
    );
    const reset = (id: number) => client.next(({ type, streamId }) => type === FrameType.RST_STREAM && streamId === id);
    const [body, none] = await Promise.all([reset(5), reset(7)]);
    expect([body.payload.readUInt32BE(), none.payload.readUInt32BE()]).toEqual([
      constants.NGHTTP2_CANCEL,
      constants.NGHTTP2_CANCEL,
    ]);
    await eventually(closedCount).toBe(2);
    expect(client.frames.filter(({ type }) => type === FrameType.RST_STREAM)).toHaveLength(2);
    expect(client.socket.closed).toBe(false);
  });
});

describe('idle connections', () => {
  it('closes one without streams, also when its peer keeps its side open', async () => {
    const { port } = await startListener({ limits: { idleMs: 80, closeGraceMs: 50 } });
    const client = await rawHttp2Client(port);
    client.socket.write(requestHeaders(1, true));
    await client.next(({ streamId, flags }) => streamId === 1 && (flags & END_STREAM) !== 0);
    const answeredMs = performance.now();
    const { payload } = await client.next(isGoaway);
    expect(goawayCode(payload)).toBe(constants.NGHTTP2_NO_ERROR);
    expect(performance.now() - answeredMs).toBeGreaterThan(60);
    await client.closed;
  });

  it('closes one that says nothing after its preface', async () => {
    const { port, metrics } = await startListener({ limits: { idleMs: 50, closeGraceMs: 20 } });
    const client = await rawHttp2Client(port);
    client.socket.pause();
    await eventually(() => metrics.snapshot().total_connections).toBe(1);
    await eventually(() => metrics.snapshot().active_connections).toBe(0);
  });
});

describe('abuse', () => {
  const resetStreams = (firstStream: number, count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, index) => firstStream + index * 2).flatMap((streamId) => [
        requestHeaders(streamId, true),
        frame(FrameType.RST_STREAM, 0, streamId, CANCEL),
      ]),
    );

  it('ends a connection that opens streams and resets them at once, within a second', async () => {
    const { handler, startedCount } = openHandler();
    const { port, metrics, logged } = await startListener({ handler, maxConcurrent: 1000 });
    const client = await rawHttp2Client(port);
    const startedMs = performance.now();
    client.socket.write(resetStreams(1, 2000));
    await client.closed;
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect(startedCount()).toBeLessThanOrEqual(200);
    expect(logged).toEqual(['closed an HTTP/2 connection for streams reset as soon as they were opened']);
    expect(metrics.snapshot()).toMatchObject({ active_connections: 0, error_count: 1 });
  });

  it('ends it also when the resets come one packet at a time, and says why', async () => {
    const { handler, startedCount } = openHandler();
    const { port } = await startListener({ handler, limits: { youngResetsMax: 20, youngResetsPerSecond: 0 } });
    const client = await rawHttp2Client(port);
    for (let index = 0; index <= 20; index += 1) {
      const streamId = 1 + index * 2;
      client.socket.write(requestHeaders(streamId, true));
      await client.next((one) => one.type === FrameType.HEADERS && one.streamId === streamId);
      client.socket.write(frame(FrameType.RST_STREAM, 0, streamId, CANCEL));
    }
    expect(goawayCode((await client.next(isGoaway)).payload)).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await client.closed;
    expect(startedCount()).toBe(21);
  });

  it('destroys the socket of a peer that does not read the farewell', async () => {
    const limits = { closeGraceMs: 100, sweepMs: 60_000 };
    const { port, metrics } = await startListener({ handler: fill, limits });
    const client = await deafClient(port);
    client.socket.write(resetStreams(3, 2000));
    await eventually(() => metrics.snapshot().error_count).toBe(1);
    await eventually(() => metrics.snapshot().active_connections).toBe(0);
  });

  it('lets callers give up on calls that took a while, however many do at once', async () => {
    const { handler, startedCount, closedCount } = openHandler();
    const { port } = await startListener({ handler, maxConcurrent: 1000, limits: { youngStreamMs: 0 } });
    const session = http2Client(port);
    const streams = Array.from({ length: 300 }, () => session.request({ ':path': '/' }));
    await Promise.all(streams.map((stream) => once(stream, 'response')));
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await eventually(closedCount).toBe(300);
    expect([startedCount(), session.destroyed]).toEqual([300, false]);
  });

  it('forgives resets with time', async () => {
    const { handler, closedCount } = openHandler();
    const { port } = await startListener({ handler, limits: { youngResetsMax: 5, youngResetsPerSecond: 1000 } });
    const session = http2Client(port);
    for (let round = 0; round < 20; round += 1) {
      const stream = session.request({ ':path': '/' });
      await once(stream, 'response');
      stream.close(constants.NGHTTP2_CANCEL);
      await eventually(closedCount).toBe(round + 1);
    }
    expect(session.destroyed).toBe(false);
  });

  it.each([
    ['PING', frame(FrameType.PING, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', frame(FrameType.SETTINGS, 0, 0)],
  ])('ends a connection that floods us with %s', async (_name, bytes) => {
    const { port, logged } = await startListener({ limits: { controlFramesMax: 300 } });
    const client = await rawHttp2Client(port);
    const flood = Buffer.concat(Array.from({ length: 50 }, () => bytes));
    const acknowledged = () => client.frames.filter(({ type, flags }) => type === bytes[3] && flags === ACK).length;
    while (!client.socket.closed && client.socket.writable) {
      const before = acknowledged();
      client.socket.write(flood);
      await Promise.race([client.next(() => acknowledged() > before), client.closed]);
    }
    await client.closed;
    expect(logged).toEqual(['closed an HTTP/2 connection for a flood of PING or SETTINGS frames']);
    expect(acknowledged()).toBeLessThan(600);
  });

  it('lets a client ping as often as we send it something', async () => {
    const { port } = await startListener({ limits: { controlFramesMax: 10 } });
    const session = http2Client(port);
    for (let round = 0; round < 30; round += 1) {
      expect(await post(session, 'x')).toBe('x');
      await new Promise((resolve) => session.ping(resolve));
    }
    expect(session.destroyed).toBe(false);
  });
});
