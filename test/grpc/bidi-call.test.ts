/** Streams of requests, by raw frames. */

import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ended } from '../../src/basics/ending.ts';
import type { GrpcCall } from '../../src/grpc/call.ts';
import type { GrpcMethod } from '../../src/grpc/method.ts';
import { GrpcError, StatusCode } from '../../src/grpc/status.ts';
import { http2Defaults } from '../../src/http2/options.ts';
import { CANCEL, FrameType } from '../support/raw-http2.ts';
import {
  patient,
  plainBytes,
  prefixed,
  type RawGrpc,
  ServedGrpc,
  statusOfAnswer,
  unary,
} from '../support/served-grpc.ts';

const path = '/a.B/Bidi';

type Requests = AsyncIterableIterator<unknown, undefined>;

function bidi(handle: (requests: Requests, call: GrpcCall) => AsyncGenerator<unknown>): GrpcMethod {
  return { kind: 'bidiStream', ...plainBytes, handle };
}

const echo = bidi(async function* (requests) {
  for await (const request of requests) yield request;
});

/** Asks for requests when it is told to. */
class Reader {
  readonly read: string[] = [];
  requests: Requests | undefined;
  readonly method = bidi((requests) => {
    this.requests = requests;
    return this.#hold();
  });
  #release = (): void => {};

  async next(): Promise<void> {
    const next = await this.requests?.next();
    this.read.push(next?.done === true ? 'end' : String(next?.value));
  }

  end(): void {
    this.#release();
  }

  async *#hold(): AsyncGenerator<unknown> {
    await new Promise<void>((resolve) => {
      this.#release = resolve;
    });
  }
}

function windowUpdates(client: RawGrpc, id: number): number {
  return client.client.frames.filter(({ type, streamId }) => type === FrameType.WINDOW_UPDATE && streamId === id)
    .length;
}

describe('a stream of requests', () => {
  test('is answered while it comes, whatever place it is cut at', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    const body = Buffer.concat(['one', '', 'three'].map((request) => prefixed(request)));
    for (let cut = 0; cut <= body.length; cut += 1) {
      const id = client.open(path);
      client.data(id, body.subarray(0, cut));
      await client.settled();
      client.data(id, body.subarray(cut), true);
      expect((await client.answer(id)).body).toEqual(body);
    }
  });

  test('keeps its order, compressed or not', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient({ 4: 1_000_000 });
    client.widen(0, 1_000_000);
    const requests = Array.from({ length: 40 }, (_, number) => `${number} `.repeat(1 + (number % 7) * 1_000));
    const body = requests.map((request, place) =>
      place % 2 === 0 ? prefixed(gzipSync(request), 1) : prefixed(request),
    );
    const answer = await client.call(path, Buffer.concat(body), { 'grpc-encoding': 'gzip' });
    expect(answer.body.equals(Buffer.concat(requests.map((request) => prefixed(request))))).toBe(true);
  });

  test('may be empty, and end with trailers', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    expect(statusOfAnswer(await client.call(path, Buffer.alloc(0)))).toBe('0');
    const id = client.open(path);
    client.data(id, prefixed('last'));
    client.trailers(id, { 'x-last': 'yes' });
    expect((await client.answer(id)).body).toEqual(prefixed('last'));
  });

  test('is held up while its handler does not read, however small its messages are', async () => {
    const reader = new Reader();
    const client = await (await ServedGrpc.start({ [path]: reader.method })).rawClient();
    const id = client.open(path);
    const count = Math.floor(http2Defaults.streamWindowBytes / 6);
    const small = Buffer.concat(Array.from({ length: count }, () => prefixed('x')));
    client.data(id, small);
    await client.settled();
    expect(windowUpdates(client, id)).toBe(0);
    for (let read = 0; read < count - 1; read += 1) await reader.next();
    await client.settled();
    expect(windowUpdates(client, id)).toBe(0);
    await reader.next();
    await client.settled();
    expect(windowUpdates(client, id)).toBe(1);
    reader.end();
    expect(statusOfAnswer(await client.answer(id))).toBe('0');
  });

  test('may hold messages that are longer than its window', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient({ 4: 2 ** 31 - 1 });
    client.widen(0, 2 ** 31 - 65_536);
    const id = client.open(path);
    const body = Buffer.concat([prefixed(Buffer.alloc(1_500_000, 'long')), prefixed('short')]);
    await client.dataInWindow(id, body);
    expect((await client.answer(id)).body.equals(body)).toBe(true);
  });

  test.each([
    ['a prefix that is none', prefixed('', 7), '13 the flags of a message are 7, not 0 or 1'],
    ['4 GiB', prefixed('', 0, 0xffff_ffff), '8 a message of 4294967295 bytes; at most 5242880 are allowed'],
    ['an end too early', prefixed('abc', 0, 4), '13 the last message of the request is cut off'],
    ['bad gzip', prefixed('abc', 1), '13 a message cannot be decompressed'],
  ])('is answered up to %s', async (_, bytes, status) => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    const body = Buffer.concat([prefixed('one'), prefixed('two'), bytes]);
    const answer = await client.call(path, body, { 'grpc-encoding': 'gzip' });
    expect(statusOfAnswer(answer)).toBe(status);
    expect(answer.body).toEqual(Buffer.concat([prefixed('one'), prefixed('two')]));
  });

  test('fails for its reader when the caller goes, also what has come', async () => {
    const ends: unknown[] = [];
    const reading = bidi(async function* (requests, call) {
      for await (const request of requests) {
        yield request;
        if (String(request) === 'two') await ended(call.end);
        if (call.end.aborted) await requests.next().catch((error: unknown) => ends.push(error));
      }
    });
    const client = await (await ServedGrpc.start({ [path]: reading })).rawClient();
    const id = client.open(path);
    client.data(id, Buffer.concat(['one', 'two', 'three'].map((request) => prefixed(request))));
    await expect.poll(() => client.sofar(id).body, patient).toHaveLength(16);
    client.reset(id, CANCEL);
    await expect.poll(() => ends, patient).toEqual([expect.any(GrpcError)]);
    expect(ends).toEqual([expect.objectContaining({ code: StatusCode.CANCELLED })]);
  });

  test('ends when its handler does, though requests would still come', async () => {
    const first = bidi(async function* (requests) {
      for await (const request of requests) {
        yield request;
        break;
      }
    });
    const client = await (await ServedGrpc.start({ [path]: first })).rawClient();
    const id = client.open(path);
    client.data(id, Buffer.concat([prefixed('one'), prefixed('two')]));
    const answer = await client.answer(id);
    expect(answer.body).toEqual(prefixed('one'));
    expect(statusOfAnswer(answer)).toBe('0');
    await expect.poll(() => client.sofar(id).resetCode, patient).toBe(0);
  });

  test('hands requests to those who ask in the order in which they ask', async () => {
    const reader = new Reader();
    const client = await (await ServedGrpc.start({ [path]: reader.method })).rawClient();
    const id = client.open(path, { 'grpc-encoding': 'gzip' });
    await client.settled();
    const asked = Array.from({ length: 4 }, () => reader.next());
    client.data(id, Buffer.concat([prefixed(gzipSync('one'), 1), prefixed('two'), prefixed('three')]), true);
    await Promise.all(asked);
    expect(reader.read).toEqual(['one', 'two', 'three', 'end']);
    await reader.next();
    expect(reader.read.at(-1)).toBe('end');
    reader.end();
  });

  test('takes and drops what comes when its handler wants no more', async () => {
    const reader = new Reader();
    const client = await (await ServedGrpc.start({ [path]: reader.method })).rawClient();
    const id = client.open(path);
    client.data(id, prefixed('one'));
    await client.settled();
    await reader.requests?.return?.();
    await client.dataInWindow(id, Buffer.alloc(1_000_000), true);
    await reader.next();
    expect(reader.read).toEqual(['end']);
    reader.end();
    expect(statusOfAnswer(await client.answer(id))).toBe('0');
  });

  test('ends for those who wait for a request when its call has failed', async () => {
    const ends: unknown[] = [];
    const failing = bidi(async function* (requests) {
      void requests.next().then(async () => ends.push(await requests.next()));
      yield 'x'.repeat(101);
    });
    const client = await (await ServedGrpc.start({ [path]: failing }, { messageBytesMax: 100 })).rawClient();
    const id = client.open(path);
    client.data(id, prefixed('one'));
    expect(statusOfAnswer(await client.answer(id))).toBe('8 a message of 101 bytes; at most 100 are allowed');
    await expect.poll(() => ends, patient).toEqual([{ done: true, value: undefined }]);
  });

  test('may last longer than other requests may take', async () => {
    const served = await ServedGrpc.start({ [path]: echo, '/a.B/Echo': unary((request) => request) });
    const client = await served.rawClient();
    const lasting = client.open(path);
    client.data(lasting, prefixed('one'));
    const late = client.open('/a.B/Echo');
    client.data(late, prefixed('one').subarray(0, 7));
    await client.settled();
    served.sweep(http2Defaults.readTimeoutMs + 1_000);
    expect((await client.answer(late)).resetCode).toBe(8);
    client.data(lasting, prefixed('two'), true);
    expect((await client.answer(lasting)).body).toEqual(Buffer.concat([prefixed('one'), prefixed('two')]));
  });

  test('fails where its handler throws at once', async () => {
    const throwing = bidi(() => {
      throw new GrpcError(StatusCode.UNAVAILABLE, 'not now');
    });
    const client = await (await ServedGrpc.start({ [path]: throwing })).rawClient();
    expect(statusOfAnswer(await client.answer(client.open(path)))).toBe('14 not now');
  });
});
