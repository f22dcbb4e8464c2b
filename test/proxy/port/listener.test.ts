import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Client, credentials } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import type { RequestHandler } from '../../../src/proxy/port/listener.ts';
import { listenerLimits } from '../../../src/proxy/port/listener-limits.ts';
import { offencesMax } from '../../../src/proxy/port/offenders.ts';
import { endOf, greetedClient, isPong, ping } from '../../support/http2-frames.ts';
import { echoStream } from '../../support/http2-server.ts';
import { END_STREAM, FrameType, frame, preface, requestHeaders } from '../../support/raw-http2.ts';
import {
  echo,
  eventually,
  http2Client,
  post,
  rawHttp2Client,
  readAll,
  startListener,
  tcpClient,
  writeByteByByte,
} from '../../support/started-listener.ts';

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

/** Answers with headers at once and ends when the test says so. */
function heldHandler(): { handler: RequestHandler; end: () => void; started: Promise<void> } {
  const { promise: ended, resolve: end } = deferred();
  const { promise: started, resolve: start } = deferred();
  const handler: RequestHandler = (request, response) => {
    request.resume();
    response.writeHead(200);
    // Http2ServerResponse has it as well; its types do not say so.
    if ('flushHeaders' in response) response.flushHeaders();
    start();
    void ended.then(() => response.end('the end'));
  };
  return { handler, end, started };
}

describe('Listener', () => {
  it('serves HTTP/1.1 and HTTP/2 on one port with one handler', async () => {
    const { port, metrics } = await startListener();
    const overHttp1 = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'hello' });
    expect([overHttp1.headers.get('x-version'), await overHttp1.text()]).toEqual(['1.1', 'hello']);
    const session = http2Client(port);
    const stream = session.request({ ':method': 'POST' });
    stream.end('hello');
    const [headers] = await once(stream, 'response');
    expect(headers['x-version']).toBe('2.0');
    expect(await post(session, 'a'.repeat(3_000_000))).toHaveLength(3_000_000);
    expect(metrics.snapshot()).toMatchObject({ active_connections: 2, total_connections: 2 });
  });

  it('takes preface and frames of HTTP/2 byte by byte', async () => {
    const { port } = await startListener();
    const client = await rawHttp2Client(port, new Uint8Array());
    const bytes = Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0), requestHeaders(1, true)]);
    await writeByteByByte(client.socket, bytes);
    await client.next(({ type, streamId }) => type === FrameType.HEADERS && streamId === 1);
  });

  it('takes a request of HTTP/1.1 byte by byte, and two in one packet', async () => {
    const { port } = await startListener();
    const slow = tcpClient(port);
    const request = 'POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi';
    await writeByteByByte(slow, Buffer.from(request));
    expect(await readAll(slow)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhi$/s);
    const pipelined = tcpClient(port);
    pipelined.write('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    expect((await readAll(pipelined)).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  });

  it.each(['\u0016\u0003\u0001\u0002\u0000TLS', 'PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n', '\u0000\u0000\u0000'])(
    'answers %j with 400 and ends',
    async (garbage) => {
      const { port } = await startListener();
      const socket = tcpClient(port);
      socket.write(garbage, 'latin1');
      expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 400 /);
    },
  );

  it('takes the adapter of connect-node as its handler', async () => {
    const { port } = await startListener({ handler: connectNodeAdapter({ routes: () => {} }) });
    expect((await fetch(`http://127.0.0.1:${port}/absent`)).status).toBe(404);
  });

  it('serves unary calls and streams to grpc-js', async () => {
    const grpcFrame = (text: string): Buffer => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(text.length, 1);
      return Buffer.concat([head, Buffer.from(text)]);
    };
    const handler: RequestHandler = (request, response) => {
      request.resume();
      request.on('end', () => {
        response.setHeader('content-type', 'application/grpc');
        response.addTrailers({ 'grpc-status': '0' });
        const replies = request.url === '/a.B/Stream' ? ['one', 'two', 'three'] : ['one'];
        response.end(Buffer.concat(replies.map(grpcFrame)));
      });
    };
    const { port } = await startListener({ handler });
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    onTestFinished(() => client.close());
    const unary = new Promise((resolve, reject) => {
      client.makeUnaryRequest('/a.B/Unary', Buffer.from, String, 'x', (error, reply) =>
        error ? reject(error) : resolve(reply),
      );
    });
    expect(await unary).toBe('one');
    const replies: string[] = [];
    for await (const reply of client.makeServerStreamRequest('/a.B/Stream', Buffer.from, String, 'x'))
      replies.push(reply);
    expect(replies).toEqual(['one', 'two', 'three']);
  });

  it('answers 500 when a handler throws, and goes on', async () => {
    const handler: RequestHandler = (request, response) => {
      if (request.url === '/bad') throw new Error('thrown by the test');
      echo(request, response);
    };
    const { port, logged, metrics } = await startListener({ handler });
    expect((await fetch(`http://127.0.0.1:${port}/bad`)).status).toBe(500);
    const stream = http2Client(port).request({ ':path': '/bad' });
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(500);
    expect((await fetch(`http://127.0.0.1:${port}/good`)).status).toBe(200);
    expect(logged).toEqual(['a request handler threw', 'a request handler threw']);
    expect(metrics.snapshot().error_count).toBe(2);
  });
});

describe('limits of Listener', () => {
  it('ends the calls of an HTTP/2 client that is gone, though it said no farewell but the end of its TCP stream', async () => {
    const { promise: closed, resolve: close } = deferred();
    const { port, metrics } = await startListener({
      handler: (_request, response) => {
        response.once('close', close);
        response.writeHead(200);
      },
    });
    const client = await rawHttp2Client(port);
    client.socket.write(requestHeaders(1, true));
    await client.next(({ type }) => type === FrameType.HEADERS);
    client.socket.end();
    await closed;
    await eventually(() => metrics.snapshot().active_connections).toBe(0);
  });

  it('closes connections beyond the maximum at once and counts them', async () => {
    const { port, metrics } = await startListener({ maxConnections: 2 });
    const kept = [tcpClient(port), tcpClient(port)];
    await Promise.all(kept.map((socket) => once(socket, 'connect')));
    await eventually(() => metrics.snapshot().active_connections).toBe(2);
    const refused = tcpClient(port);
    await once(refused, 'close');
    expect(metrics.snapshot()).toMatchObject({ active_connections: 2, total_connections: 2, refused_connections: 1 });
    const gone = once(kept[0] ?? refused, 'close');
    kept[0]?.destroy();
    await gone;
    await eventually(() => metrics.snapshot().active_connections).toBe(1);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  });

  it('closes connections beyond the maximum of one address at once, counts them, and has room when one has gone', async () => {
    const { port, metrics } = await startListener({ maxConnectionsPerAddress: 2 });
    const kept = [tcpClient(port), tcpClient(port)];
    await eventually(() => metrics.snapshot().active_connections).toBe(2);
    expect(await readAll(tcpClient(port))).toBe('');
    expect(metrics.snapshot().active_connections).toBe(2);
    kept[0]?.destroy();
    await eventually(() => metrics.snapshot().active_connections).toBe(1);
    expect(await post(http2Client(port), 'x')).toBe('x');
  });

  it.each([
    ['Node', {}],
    ['our own core', { onStream: echoStream }],
  ])(
    'refuses an address for a while whose connections to %s were ended for abuse, and no other',
    async (_name, engine) => {
      const limits = { controlFramesMax: 10, closeGraceMs: 20 };
      const { port, metrics } = await startListener({ ...engine, limits, abuserRefusalMs: 60_000 });
      const earlier = await greetedClient(port);
      for (let offence = 0; offence < offencesMax; offence += 1) {
        const abuser = await greetedClient(port);
        abuser.socket.write(Buffer.concat(Array.from({ length: 100 }, () => ping(1))));
        expect(await endOf(abuser)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
      }
      expect(await readAll(tcpClient(port))).toBe('');
      expect(metrics.snapshot()).toMatchObject({ refused_connections: 1, error_count: offencesMax });
      const other = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      onTestFinished(() => void other.destroy());
      other.write(Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0)]));
      await once(other, 'data');
      earlier.socket.write(ping(7));
      await earlier.next(isPong(7));
    },
  );

  it('refuses nobody for what is no abuse, or where it is told to refuse nobody', async () => {
    const limits = { controlFramesMax: 10, closeGraceMs: 20 };
    const { port } = await startListener({ onStream: echoStream, limits, abuserRefusalMs: 0 });
    const patient = await startListener({ onStream: echoStream, limits });
    for (let offence = 0; offence <= offencesMax; offence += 1) {
      const abuser = await greetedClient(port);
      abuser.socket.write(Buffer.concat(Array.from({ length: 100 }, () => ping(1))));
      expect(await endOf(abuser)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
      const mistaken = await greetedClient(patient.port);
      mistaken.socket.write(ping(1).fill(1, 5, 9));
      expect(await endOf(mistaken)).toBe(ErrorCode.PROTOCOL_ERROR);
    }
  });

  it('closes a connection that says nothing', async () => {
    const { port } = await startListener({ limits: { firstBytesMs: 50 } });
    const startedMs = performance.now();
    await once(tcpClient(port), 'close');
    expect(performance.now() - startedMs).toBeGreaterThan(40);
  });

  it('closes an HTTP/1.1 connection whose headers take too long', async () => {
    const { port } = await startListener({ limits: { headersMs: 50 } });
    const socket = tcpClient(port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n');
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('closes an HTTP/1.1 connection whose body takes too long, not one whose answer does', async () => {
    const { handler, end, started } = heldHandler();
    const { port } = await startListener({ handler, readTimeoutMs: 100 });
    const long = tcpClient(port);
    long.write('POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx');
    await started;
    const slow = tcpClient(port);
    slow.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nx');
    await readAll(slow);
    end();
    expect(await readAll(long)).toContain('the end');
  });

  it('closes an HTTP/1.1 connection that stays idle', async () => {
    const { port } = await startListener({ limits: { idleMs: 50 } });
    const socket = tcpClient(port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    expect(await readAll(socket)).toContain('200 OK');
  });

  it('takes headers of up to 16 KiB and 128 fields in HTTP/1.1', async () => {
    const { port } = await startListener();
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}/`, { headers })).status;
    expect(await status({ x: 'a'.repeat(15_000) })).toBe(200);
    expect(await status({ x: 'a'.repeat(listenerLimits.headerBytesMax) })).toBe(431);
  });

  it('takes headers of up to 16 KiB and 128 fields in HTTP/2', async () => {
    const { port } = await startListener();
    const outcome = async (headers: Record<string, string>): Promise<string> => {
      const client = await rawHttp2Client(port);
      client.socket.write(requestHeaders(1, true, headers));
      const { type } = await client.next((one) => one.streamId === 1 || one.type === FrameType.GOAWAY);
      return type === FrameType.HEADERS ? 'answered' : 'refused';
    };
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'a']));
    expect(await outcome({ x: 'a'.repeat(15_000) })).toBe('answered');
    expect(await outcome({ x: 'a'.repeat(listenerLimits.headerBytesMax) })).toBe('refused');
    expect(await outcome(fields(120))).toBe('answered');
    expect(await outcome(fields(130))).toBe('refused');
  });

  it('announces the most streams at a time, and refuses more', async () => {
    const { handler } = heldHandler();
    const { port } = await startListener({ handler, maxConcurrent: 3 });
    const client = await rawHttp2Client(port);
    client.socket.write(Buffer.concat([1, 3, 5, 7].map((streamId) => requestHeaders(streamId, true))));
    const settings = await client.next(({ type, payload }) => type === FrameType.SETTINGS && payload.length > 0);
    const announced = Array.from({ length: settings.payload.length / 6 }, (_, index) => [
      settings.payload.readUInt16BE(index * 6),
      settings.payload.readUInt32BE(index * 6 + 2),
    ]);
    expect(announced).toContainEqual([3, 3]);
    const refused = await client.next(({ type }) => type === FrameType.RST_STREAM);
    expect([refused.streamId, refused.payload.readUInt32BE()]).toEqual([7, 7]);
    await client.next(({ type, streamId }) => type === FrameType.HEADERS && streamId === 5);
  });

  it('says which port is in use and what to set', async () => {
    const { port } = await startListener();
    await expect(startListener({ port })).rejects.toThrow(`port ${port}: another program has this port; set GRPC_PORT`);
  });
});

describe('Listener.drain', () => {
  it('lets calls of both protocols end, takes no new ones, and closes then', async () => {
    const { handler, end, started } = heldHandler();
    const { listener, port, metrics } = await startListener({ handler });
    const stream = http2Client(port).request({ ':path': '/' });
    await started;
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const overHttp1 = httpRequest({ port, agent }).end();
    const [response] = (await once(overHttp1, 'response')) as [IncomingMessage];
    const drained = listener.drain(60_000);
    const another = (): Promise<string> =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => 'taken',
        () => 'refused',
      );
    await eventually(another).toBe('refused');
    end();
    const body = async (readable: AsyncIterable<unknown>): Promise<string> => {
      let text = '';
      for await (const chunk of readable) text += String(chunk);
      return text;
    };
    expect(await Promise.all([body(stream), body(response)])).toEqual(['the end', 'the end']);
    await drained;
    expect(metrics.snapshot().active_connections).toBe(0);
  });

  it('tells HTTP/2 clients which call was the last, so that they send others elsewhere, and ends when it has', async () => {
    const { handler, end, started } = heldHandler();
    const { listener, port } = await startListener({ handler });
    const client = await rawHttp2Client(port);
    client.socket.write(requestHeaders(1, true));
    await started;
    const drained = listener.drain(60_000);
    const { payload } = await client.next(({ type }) => type === FrameType.GOAWAY);
    expect([payload.readUInt32BE(), payload.readUInt32BE(4)]).toEqual([1, 0]);
    client.socket.write(requestHeaders(3, true));
    end();
    await client.next(({ type, streamId, flags }) => type === FrameType.DATA && streamId === 1 && flags === END_STREAM);
    await client.closed;
    await drained;
    expect(client.frames.filter(({ streamId }) => streamId === 3)).toEqual([]);
  });

  it('serves the call of a connection that was accepted just before', async () => {
    const { listener, port, metrics } = await startListener({ handler: echo, limits: { closeGraceMs: 300 } });
    const socket = tcpClient(port);
    await eventually(() => metrics.snapshot().active_connections).toBe(1);
    const drained = listener.drain(60_000);
    const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
    expect(await post(session, 'late')).toBe('late');
    await drained;
  });

  it('tells HTTP/1.1 clients to close after an answer that has not begun', async () => {
    const { promise: released, resolve: release } = deferred();
    const { promise: started, resolve: start } = deferred();
    const { listener, port } = await startListener({
      handler: (_request, response) => {
        start();
        void released.then(() => response.end());
      },
    });
    const response = fetch(`http://127.0.0.1:${port}/`);
    await started;
    const drained = listener.drain(60_000);
    release();
    expect((await response).headers.get('connection')).toBe('close');
    await drained;
  });

  it('tells them also after a call that came during the drain', async () => {
    const { handler, end, started } = heldHandler();
    const { promise: arrived, resolve: arrive } = deferred();
    const { listener, port } = await startListener({
      handler: (request, response) => {
        if (request.url === '/late') arrive();
        (request.url === '/late' ? echo : handler)(request, response);
      },
    });
    const socket = tcpClient(port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await started;
    const drained = listener.drain(60_000);
    socket.write('POST /late HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nlate');
    await arrived;
    end();
    expect(await readAll(socket)).toMatch(/the end\r\n.*connection: close\r\n.*late$/s);
    await drained;
  });

  it('does not wait for connections that have said nothing yet', async () => {
    const { listener, port, metrics } = await startListener({ limits: { firstBytesMs: 60_000 } });
    const silent = tcpClient(port);
    await eventually(() => metrics.snapshot().active_connections).toBe(1);
    await Promise.all([listener.drain(60_000), once(silent, 'close')]);
  });

  it('destroys what is left when its time is up, silent connections included', async () => {
    const { handler, started } = heldHandler();
    const { listener, port, metrics } = await startListener({ handler });
    const silent = tcpClient(port);
    const stream = http2Client(port).request({ ':path': '/' });
    stream.on('error', () => {});
    await Promise.all([started, once(silent, 'connect')]);
    await eventually(() => metrics.snapshot().active_connections).toBe(2);
    const startedMs = performance.now();
    const ends = [once(silent, 'close'), once(stream, 'close')];
    await Promise.all([listener.drain(100), listener.drain(100)]);
    await Promise.all(ends);
    expect(performance.now() - startedMs).toBeGreaterThan(90);
    expect(metrics.snapshot().active_connections).toBe(0);
  });

  it('gives its port back', async () => {
    const { listener, port } = await startListener();
    await listener.drain(0);
    await Promise.all([listener.close(), listener.close()]);
    expect((await startListener({ port })).port).toBe(port);
  });
});
