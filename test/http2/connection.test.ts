import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type Settings } from 'node:http2';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { FrameType } from '../../src/http2/frame.ts';
import { makeCertificates } from '../support/certificates.ts';
import { greetedClient, headers, isPong, ofType, ping } from '../support/http2-frames.ts';
import { echoStream, startHttp2, takeAll } from '../support/http2-server.ts';
import { eventually } from '../support/started-listener.ts';

/** Node's own HTTP/2 client, destroyed when the test ends. */
function nodeClient(port: number, settings: Settings = {}): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, { settings });
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return session;
}

function post(session: ClientHttp2Session, headers: Record<string, string> = {}): ClientHttp2Stream {
  return session.request({ ':method': 'POST', ':path': '/echo', ...headers }, { endStream: false });
}

async function readAll(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes that are different everywhere. */
function noise(bytes: number, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 64 < bytes; at += 1) parts.push(createHash('sha512').update(`${seed}:${at}`).digest());
  return Buffer.concat(parts).subarray(0, bytes);
}

describe('the client of Node', () => {
  it('has one hundred bodies of many sizes echoed at once, each time one behind the other too', async () => {
    const { port, failures } = await startHttp2();
    const session = nodeClient(port);
    for (let round = 0; round < 3; round += 1) {
      const sent = Array.from({ length: 100 }, (_, index) => noise(index * index * 10, index));
      const echoed = await Promise.all(
        sent.map((body) => {
          const stream = post(session);
          stream.end(body);
          return readAll(stream);
        }),
      );
      expect(echoed.map((body, index) => body.equals(sent[index] ?? Buffer.alloc(0)))).toEqual(sent.map(() => true));
    }
    expect(failures).toEqual([]);
  });

  it.each([
    ['windows of 1 KB on its side', { initialWindowSize: 1_000 }, {}],
    ['windows of 1 KB on ours', {}, { streamWindowBytes: 1_000, streamUnsentBytesMax: 500 }],
    ['little room for the network', {}, { unsentBytesMax: 2_000, streamUnsentBytesMax: 1 }],
    ['no table for headers', { headerTableSize: 0 }, {}],
    ['large frames', { maxFrameSize: 1_000_000 }, { connectionWindowBytes: 65_535 }],
  ] as const)('has large bodies echoed with %s', async (_name, settings, options) => {
    const { port, failures } = await startHttp2(options);
    const session = nodeClient(port, settings);
    const bodies = [noise(300_000, 1), noise(100_000, 2), noise(200_000, 3)];
    const echoed = bodies.map((body) => {
      const stream = post(session, { 'x-some': 'thing' });
      stream.end(body);
      return readAll(stream);
    });
    expect((await Promise.all(echoed)).map((body, index) => body.equals(bodies[index] ?? Buffer.alloc(0)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(failures).toEqual([]);
  });

  it('sends trailers and gets them, and sees the fields of an answer', async () => {
    const { port, streams } = await startHttp2();
    const session = nodeClient(port);
    const stream = session.request(
      { ':method': 'POST', ':path': '/a?b', 'content-type': 'application/grpc', te: 'trailers', 'x-two': ['1', '2'] },
      { endStream: false, waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
    stream.end('body');
    const answered = once(stream, 'response');
    const ended = once(stream, 'trailers');
    expect((await readAll(stream)).toString()).toBe('body');
    const [head] = await answered;
    const [trailers] = await ended;
    expect([head[':status'], trailers['x-sum']]).toEqual([200, '42']);
    const [served] = streams;
    expect(served).toMatchObject({ id: 1, method: 'POST', path: '/a?b', scheme: 'http', isWhole: false });
    expect(served?.authority).toBe(`127.0.0.1:${port}`);
    expect(served?.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(served?.headers.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      'content-type: application/grpc',
      'te: trailers',
      'x-two: 1',
      'x-two: 2',
    ]);
  });

  it('may reset a stream, of which the handler hears once', async () => {
    const codes: number[] = [];
    const { port } = await startHttp2({}, (stream) => takeAll(stream, { reset: (code) => codes.push(code) }));
    const session = nodeClient(port);
    const stream = post(session);
    stream.on('error', () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually(() => codes).toEqual([ErrorCode.CANCEL]);
  });

  it('is reset by a handler', async () => {
    const { port } = await startHttp2({}, (stream) => {
      stream.reset(ErrorCode.REFUSED_STREAM);
      return takeAll(stream);
    });
    const stream = post(nodeClient(port));
    stream.on('error', () => {});
    await eventually(() => stream.closed).toBe(true);
    expect(stream.rstCode).toBe(constants.NGHTTP2_REFUSED_STREAM);
  });

  it('gets long fields, which take several frames', async () => {
    const long = 'x'.repeat(40_000);
    const { port } = await startHttp2({}, (stream) => {
      stream.sendHeaders([
        { name: ':status', value: '200' },
        { name: 'x-long', value: long },
      ]);
      stream.sendTrailers([{ name: 'x-longer', value: long + long.slice(0, 10_000) }]);
      return takeAll(stream);
    });
    const stream = nodeClient(port, { maxHeaderListSize: 200_000 }).request({ ':path': '/' });
    const ended = once(stream, 'trailers');
    const [head] = await once(stream, 'response');
    stream.resume();
    const [trailers] = await ended;
    expect([head['x-long'].length, trailers['x-longer'].length]).toEqual([40_000, 50_000]);
  });

  it('has its streams served in turns where the network is the limit', async () => {
    const { port } = await startHttp2({ unsentBytesMax: 65_536 }, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      stream.sendData(Buffer.alloc(stream.id === 1 ? 8_000_000 : 100_000), true);
      return takeAll(stream);
    });
    const session = nodeClient(port, { initialWindowSize: 10_000_000 });
    await once(session, 'connect');
    session.setLocalWindowSize(20_000_000);
    const ends: string[] = [];
    const get = async (name: string): Promise<void> => {
      const stream = session.request({ ':path': '/' });
      await readAll(stream);
      ends.push(name);
    };
    await Promise.all([get('large'), get('small'), get('small')]);
    expect(ends).toEqual(['small', 'small', 'large']);
  });

  it('is told to go, while what it has begun is served to its end', async () => {
    const { port, connections, streams, sockets } = await startHttp2({}, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      return takeAll(stream);
    });
    const session = nodeClient(port);
    const stream = session.request({ ':path': '/' });
    await once(stream, 'response');
    const gone = once(session, 'goaway');
    connections[0]?.drain();
    const [code] = await gone;
    expect(code).toBe(0);
    streams[0]?.sendData(Buffer.from('late'), true);
    expect((await readAll(stream)).toString()).toBe('late');
    await eventually(() => sockets[0]?.destroyed).toBe(true);
  });

  it('has bodies echoed behind TLS', async () => {
    const { server, authority } = await makeCertificates();
    const { port, sockets } = await startHttp2({}, echoStream, { key: server.private, cert: server.cert });
    const session = connect(`https://127.0.0.1:${port}`, { ca: authority.cert });
    onTestFinished(() => session.destroy());
    const sent = [noise(500_000, 1), noise(10, 2), noise(100_000, 3)];
    const echoed = sent.map((body) => {
      const stream = post(session);
      stream.end(body);
      return readAll(stream);
    });
    expect((await Promise.all(echoed)).map((body, index) => body.equals(sent[index] ?? Buffer.alloc(0)))).toEqual([
      true,
      true,
      true,
    ]);
    session.close();
    await eventually(() => sockets[0]?.destroyed).toBe(true);
  });

  it('is echoed by what answers in the same call', async () => {
    const { port } = await startHttp2({}, (stream) => echoStream(stream));
    const stream = nodeClient(port).request({ ':path': '/' });
    const [head] = await once(stream, 'response');
    expect(head[':status']).toBe(200);
  });
});

describe('a write to the network', () => {
  /** A client, and how the server writes to it from now on. */
  async function watchedClient() {
    const { port, sockets } = await startHttp2({}, (stream) => {
      stream.sendHeaders([{ name: ':status', value: '200' }]);
      stream.sendData(Buffer.alloc(200), true);
      return takeAll(stream);
    });
    const client = await greetedClient(port);
    const [socket] = sockets;
    if (socket === undefined) throw new Error('no connection was accepted');
    return { client, write: vi.spyOn(socket, 'write') };
  }

  it('has all answers of one read, however many', async () => {
    const { client, write } = await watchedClient();
    const ids = Array.from({ length: 40 }, (_, index) => 2 * index + 1);
    client.socket.write(Buffer.concat(ids.map((id) => headers(id))));
    for (const id of ids) await client.next(ofType(FrameType.DATA, id));
    expect(write).toHaveBeenCalledTimes(1);
  });

  it('has the answer to a PING, in front of the answer that comes next', async () => {
    const { client, write } = await watchedClient();
    client.socket.write(Buffer.concat([ping(1), headers(1)]));
    await client.next(ofType(FrameType.DATA, 1));
    expect(client.frames.filter(isPong(1))).toHaveLength(1);
    expect(write).toHaveBeenCalledTimes(1);
  });

  it('comes for the answer to a PING alone where there is nothing else to say', async () => {
    const { client, write } = await watchedClient();
    client.socket.write(ping(1));
    await client.next(isPong(1));
    client.socket.write(ping(2));
    await client.next(isPong(2));
    expect(write).toHaveBeenCalledTimes(2);
  });
});
