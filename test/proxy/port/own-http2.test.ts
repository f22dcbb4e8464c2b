import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import { Flag, FrameType } from '../../../src/http2/frame.ts';
import {
  codeOf,
  data,
  endOf,
  greetedClient,
  headers,
  isPong,
  ofType,
  openRequest,
  ping,
} from '../../support/http2-frames.ts';
import { echoStream } from '../../support/http2-server.ts';
import { eventually, startListener } from '../../support/started-listener.ts';

describe('a listener with our own HTTP/2 core', () => {
  it('lets as many streams be open as it is told, and widens its windows as its limits say', async () => {
    const limits = { streamWindowBytes: 100_000, connectionWindowBytes: 200_000 };
    const { port } = await startListener({ onStream: echoStream, maxConcurrent: 2, limits });
    const client = await greetedClient(port);
    const { payload } = await client.next((one) => one.type === FrameType.SETTINGS && one.payload.length > 0);
    const settings = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    expect([settings.get(3), settings.get(4)]).toEqual([2, 100_000]);
    expect((await client.next(ofType(FrameType.WINDOW_UPDATE, 0))).payload.readUInt32BE()).toBe(200_000 - 65_535);
    client.socket.write(Buffer.concat([openRequest(1), openRequest(3), openRequest(5)]));
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 5)))).toBe(ErrorCode.REFUSED_STREAM);
  });

  it('ends a connection that does nothing, and one that abuses it, and tells only of the latter', async () => {
    const closeGraceMs = 20;
    const idle = await startListener({ onStream: echoStream, limits: { idleMs: 20, closeGraceMs } });
    expect(await endOf(await greetedClient(idle.port))).toBe(ErrorCode.NO_ERROR);
    expect(idle.logged).toEqual([]);
    const { port, logged, metrics } = await startListener({
      onStream: echoStream,
      limits: { controlFramesMax: 10, closeGraceMs },
    });
    const abuser = await greetedClient(port);
    abuser.socket.write(Buffer.concat(Array.from({ length: 100 }, () => ping(1))));
    expect(await endOf(abuser)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(logged).toEqual([expect.stringMatching(/^closed an HTTP\/2 connection for /)]);
    await eventually(() => metrics.snapshot()).toMatchObject({ error_count: 1, active_connections: 0 });
  });

  it('lets the streams of a connection end before it goes', async () => {
    const { port, listener } = await startListener({ onStream: echoStream });
    const client = await greetedClient(port);
    client.socket.write(openRequest(1));
    await client.next(ofType(FrameType.HEADERS, 1));
    const drained = listener.drain(30_000);
    await client.next(ofType(FrameType.GOAWAY));
    let isClosed = false;
    void client.closed.then(() => {
      isClosed = true;
    });
    client.socket.write(ping(1));
    await client.next(isPong(1));
    expect(isClosed).toBe(false);
    client.socket.write(data(1, '', Flag.END_STREAM));
    await drained;
    await eventually(() => isClosed).toBe(true);
  });

  it('serves HTTP/1.1 as ever', async () => {
    const { port } = await startListener({ onStream: echoStream });
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: 'x' });
    expect([answer.headers.get('x-version'), await answer.text()]).toEqual(['1.1', 'x']);
    const client = await greetedClient(port);
    client.socket.write(headers(1));
    await client.next(ofType(FrameType.HEADERS, 1));
  });
});
