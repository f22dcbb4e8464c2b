import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { FrameType } from '../../src/http2/frame.ts';
import { FrameReader } from '../../src/http2/frame-reader.ts';
import { HpackDecoder, tableBytesDefault } from '../../src/http2/hpack/decoder.ts';
import type { Http2Stream, StreamHandler } from '../../src/http2/stream.ts';
import { Http2Fuzzer } from '../support/http2-fuzzer.ts';
import { type StartedHttp2, startHttp2, takeAll } from '../support/http2-server.ts';
import { Mutator } from '../support/mutator.ts';
import { preface } from '../support/raw-http2.ts';
import { eventually } from '../support/started-listener.ts';

/** 1,000,000 and more before a release; a few seconds of them each time. */
const frameCount = Number(process.env['HTTP2_FUZZ_FRAMES'] ?? 6_000);
const framesPerChunk = 8;
const framesPerRound = 2_000;

const status = [{ name: ':status', value: '200' }];

/** Does anything with a stream that a handler may do. */
function anyHandler(mutator: Mutator): (stream: Http2Stream) => StreamHandler {
  return (stream) => {
    const way = mutator.below(6);
    const answer = (): void => {
      stream.sendHeaders(status);
      stream.sendData(Buffer.alloc(mutator.below(100_000)));
      stream.sendTrailers([{ name: 'grpc-status', value: String(mutator.below(17)) }]);
    };
    if (way === 0) answer();
    if (way === 1) setImmediate(answer);
    if (way === 2) stream.reset(ErrorCode.INTERNAL_ERROR);
    return takeAll(stream, {
      data: (chunk, isLast) => {
        if (mutator.below(3) > 0) stream.consumed(chunk.length);
        if (way === 3) stream.sendHeaders(status);
        if (way === 3) stream.sendData(chunk, isLast);
        if (way === 4 && isLast) answer();
        if (way === 5) stream.reset(ErrorCode.CANCEL);
      },
      trailers: answer,
      drain: () => stream.sendData(Buffer.alloc(10), true),
    });
  };
}

/** Reads what a server says: fails where that is no HTTP/2. */
class ServerReader {
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder({ tableBytesMax: tableBytesDefault, listBytesMax: 10_000, fieldsMax: 100 });
  isGone = false;

  constructor() {
    this.#reader.feed(preface);
    this.#reader.next();
  }

  read(chunk: Buffer): void {
    this.#reader.feed(chunk);
    while (this.#reader.next()) {
      const { type, bytes, start, end, streamId } = this.#reader;
      if (type === FrameType.HEADERS) this.#decoder.decode(bytes.subarray(start, end));
      if (type === FrameType.GOAWAY) this.isGone = true;
      expect(type).toBeLessThanOrEqual(FrameType.WINDOW_UPDATE);
      expect(streamId % 2 === 1 || streamId === 0).toBe(true);
    }
  }
}

/** Plays one client until it or the server has had enough. @returns Frames that were sent. */
async function play({ port }: StartedHttp2, fuzzer: Http2Fuzzer, framesMax: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const reader = new ServerReader();
  socket.on('error', () => {});
  socket.on('data', (chunk) => reader.read(chunk));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  socket.write(fuzzer.greeting());
  let sent = 0;
  while (sent < framesMax && !reader.isGone && !socket.destroyed) {
    for (const chunk of fuzzer.chunks(framesPerChunk)) socket.write(chunk);
    sent += framesPerChunk;
    await new Promise((resolve) => setImmediate(resolve));
    if (fuzzer.leaves()) break;
  }
  socket.destroy();
  await closed;
  return sent;
}

describe('frames of any kind', () => {
  it('leave the server standing, which says nothing but HTTP/2', { timeout: 3_600_000 }, async () => {
    const http2 = await startHttp2({ closeGraceMs: 50 }, anyHandler(new Mutator(1)));
    const fuzzer = new Http2Fuzzer(2);
    let streamCount = 0;
    let failureCount = 0;
    for (let sent = 0; sent < frameCount; ) {
      for (const roundEnd = sent + framesPerRound; sent < roundEnd; ) sent += await play(http2, fuzzer, framesPerRound);
      await eventually(() => http2.sockets.filter((socket) => !socket.destroyed).length).toBe(0);
      expect(http2.streams.filter((stream) => stream.isOpen)).toEqual([]);
      const mistakes = http2.failures.filter(({ code }) => code === ErrorCode.INTERNAL_ERROR);
      expect(mistakes.map(({ cause }) => cause)).toEqual([]);
      streamCount += http2.streams.length;
      failureCount += http2.failures.length;
      // Of a million frames they would be too many to keep.
      for (const list of [http2.sockets, http2.streams, http2.connections, http2.failures]) list.length = 0;
    }
    // Most frames are what clients say, so that streams are opened, and some are not.
    expect(streamCount).toBeGreaterThan(frameCount / 10);
    expect(failureCount).toBeGreaterThan(frameCount / 500);
  });
});
