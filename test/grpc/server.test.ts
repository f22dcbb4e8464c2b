/** Calls by grpc-js, as official clients of Node make them. */

import { once } from 'node:events';
import { type Client, type ClientDuplexStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { ended } from '../../src/basics/ending.ts';
import type { GrpcMethod } from '../../src/grpc/method.ts';
import { GrpcError, StatusCode } from '../../src/grpc/status.ts';
import { patient, plainBytes, ServedGrpc, unary } from '../support/served-grpc.ts';

const same = (bytes: Buffer): Buffer => bytes;

interface CallOptions {
  readonly metadata?: Metadata;
  readonly timeoutMs?: number;
}

function call(client: Client, path: string, request: Uint8Array | string, options: CallOptions = {}): Promise<Buffer> {
  const { metadata = new Metadata(), timeoutMs = 30_000 } = options;
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + timeoutMs;
    client.makeUnaryRequest(path, same, same, Buffer.from(request), metadata, { deadline }, (error, reply) => {
      if (error !== null) reject(error);
      else resolve(reply ?? Buffer.alloc(0));
    });
  });
}

/** How a call fails. */
async function failureOf(reply: Promise<unknown>): Promise<ServiceError> {
  return reply.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: ServiceError) => error,
  );
}

const echo = unary(async (request) => request);

const count: GrpcMethod = {
  kind: 'serverStream',
  ...plainBytes,
  async *handle(request) {
    for (let number = 1; number <= Number(request); number += 1) yield `reply ${number}`;
  },
};

const upper: GrpcMethod = {
  kind: 'bidiStream',
  ...plainBytes,
  async *handle(requests) {
    for await (const request of requests) yield String(request).toUpperCase();
  },
};

async function collect(stream: AsyncIterable<Buffer>): Promise<string[]> {
  const replies: string[] = [];
  for await (const reply of stream) replies.push(reply.toString());
  return replies;
}

function bidi(client: Client, path: string): ClientDuplexStream<Buffer, Buffer> {
  return client.makeBidiStreamRequest(path, same, same, new Metadata(), { deadline: Date.now() + 30_000 });
}

describe('serveGrpc, called by grpc-js', () => {
  test('answers unary calls, also many at once and of every size', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Echo': echo })).grpcJs();
    const requests = Array.from({ length: 300 }, (_, length) => Buffer.alloc(length * 3, length));
    const replies = await Promise.all(requests.map((request) => call(client, '/a.B/Echo', request)));
    expect(replies.every((reply, place) => reply.equals(requests[place] ?? Buffer.of(1)))).toBe(true);
  });

  test('answers what a handler returns without a promise', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Echo': unary((request) => request) })).grpcJs();
    expect((await call(client, '/a.B/Echo', 'now')).toString()).toBe('now');
  });

  test('takes and gives messages of the largest size, and none larger', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Echo': echo }, { messageBytesMax: 5_000_000 })).grpcJs();
    const largest = Buffer.alloc(5_000_000, 'largest');
    expect((await call(client, '/a.B/Echo', largest)).equals(largest)).toBe(true);
    const failure = await failureOf(call(client, '/a.B/Echo', Buffer.alloc(5_000_001)));
    expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const client2 = (
      await ServedGrpc.start(
        { '/a.B/Double': unary((request) => Buffer.concat([request, request])) },
        { messageBytesMax: 100 },
      )
    ).grpcJs();
    expect(await call(client2, '/a.B/Double', Buffer.alloc(50))).toHaveLength(100);
    expect(await failureOf(call(client2, '/a.B/Double', Buffer.alloc(51)))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: 'a message of 102 bytes; at most 100 are allowed',
    });
  });

  test('takes compressed messages', async () => {
    const served = await ServedGrpc.start({ '/a.B/Echo': echo, '/a.B/Upper': upper });
    const gzipping = served.grpcJs({ 'grpc.default_compression_algorithm': 2 });
    const text = 'again and '.repeat(1_000);
    expect((await call(gzipping, '/a.B/Echo', text)).toString()).toBe(text);
    const stream = bidi(gzipping, '/a.B/Upper');
    for (const word of ['one', 'two', 'three']) stream.write(Buffer.from(word.repeat(100)));
    stream.end();
    expect(await collect(stream)).toEqual(['ONE', 'TWO', 'THREE'].map((word) => word.repeat(100)));
  });

  test('shows handlers the fields of the request, and who calls', async () => {
    const seen: unknown[] = [];
    const look = unary((request, call) => {
      seen.push(call.path, call.header('authorization'), call.header('x-twice'), call.header('x-none'), call.peer);
      return request;
    });
    const client = (await ServedGrpc.start({ '/a.B/Look': look })).grpcJs();
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer secret');
    metadata.add('x-twice', 'one');
    metadata.add('x-twice', 'two');
    await call(client, '/a.B/Look', '', { metadata });
    expect(seen.slice(0, 4)).toEqual(['/a.B/Look', 'Bearer secret', expect.stringMatching(/^one, ?two$/), undefined]);
    expect(seen[4]).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('fails with the status that a handler throws: code, text of any characters, and details', async () => {
    const text = ' 100 % of Größe 𝒳\n: no "quotes" ';
    const details = Buffer.from([8, 5, 0xff, 0x00]);
    const refuse = () => {
      throw new GrpcError(StatusCode.NOT_FOUND, text, { details });
    };
    const methods = {
      '/a.B/Now': unary(refuse),
      '/a.B/Later': unary(async () => refuse()),
      '/a.B/Other': unary(async () => {
        throw new Error('a secret');
      }),
    };
    const client = (await ServedGrpc.start(methods)).grpcJs();
    for (const path of ['/a.B/Now', '/a.B/Later']) {
      const failure = await failureOf(call(client, path, ''));
      expect(failure).toMatchObject({ code: status.NOT_FOUND, details: text });
      expect(failure.metadata.get('grpc-status-details-bin')).toEqual([details]);
    }
    expect(await failureOf(call(client, '/a.B/Other', ''))).toMatchObject({
      code: status.UNKNOWN,
      details: 'the handler of the call failed',
    });
  });

  test('lets others say what an error means', async () => {
    const fail = unary(async () => {
      throw new RangeError('far');
    });
    const toStatus = (error: unknown) => ({ code: StatusCode.OUT_OF_RANGE, message: `${error}` });
    const client = (await ServedGrpc.start({ '/a.B/Fail': fail }, { toStatus })).grpcJs();
    expect(await failureOf(call(client, '/a.B/Fail', ''))).toMatchObject({
      code: status.OUT_OF_RANGE,
      details: 'RangeError: far',
    });
  });

  test('streams replies, none and thousands', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Count': count })).grpcJs();
    for (const number of [0, 1, 5_000]) {
      const stream = client.makeServerStreamRequest('/a.B/Count', same, same, Buffer.from(`${number}`));
      const expected = Array.from({ length: number }, (_, place) => `reply ${place + 1}`);
      expect(await collect(stream)).toEqual(expected);
    }
  });

  test('streams large replies whole', async () => {
    const sizes = [16_379, 16_380, 81_915, 81_916, 3_000_000, 5];
    const large: GrpcMethod = {
      kind: 'serverStream',
      ...plainBytes,
      async *handle() {
        for (const size of sizes) yield Buffer.alloc(size, `${size} `);
      },
    };
    const client = (await ServedGrpc.start({ '/a.B/Large': large })).grpcJs();
    const stream = client.makeServerStreamRequest('/a.B/Large', same, same, Buffer.alloc(0));
    const replies: Buffer[] = [];
    for await (const reply of stream) replies.push(reply);
    expect(replies.map(({ length }) => length)).toEqual(sizes);
    expect(replies.every((reply) => reply.equals(Buffer.alloc(reply.length, `${reply.length} `)))).toBe(true);
  });

  test('fails a stream behind its first replies, and before them', async () => {
    const failing: GrpcMethod = {
      kind: 'serverStream',
      ...plainBytes,
      async *handle(request) {
        for (let number = 0; number < Number(request); number += 1) yield 'reply';
        throw new GrpcError(StatusCode.ABORTED, 'no more');
      },
    };
    const client = (await ServedGrpc.start({ '/a.B/Failing': failing })).grpcJs();
    for (const number of [0, 2]) {
      const stream = client.makeServerStreamRequest('/a.B/Failing', same, same, Buffer.from(`${number}`));
      const replies: Buffer[] = [];
      stream.on('data', (reply: Buffer) => replies.push(reply));
      const failure = await new Promise((resolve) => stream.on('error', resolve));
      expect(failure).toMatchObject({ code: status.ABORTED, details: 'no more' });
      expect(replies).toHaveLength(number);
    }
  });

  test('answers requests as they come, and ends when the handler does', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Upper': upper })).grpcJs();
    const stream = bidi(client, '/a.B/Upper');
    const replies = stream[Symbol.asyncIterator]();
    for (const word of ['one', 'two']) {
      stream.write(Buffer.from(word));
      expect(String((await replies.next()).value)).toBe(word.toUpperCase());
    }
    stream.end();
    expect((await replies.next()).done).toBe(true);
  });

  test('knows no other methods', async () => {
    const client = (await ServedGrpc.start({ '/a.B/Echo': echo })).grpcJs();
    expect(await failureOf(call(client, '/a.B/Other', ''))).toMatchObject({ code: status.UNIMPLEMENTED });
  });

  test('ends a call at the deadline of its caller', async () => {
    let startedCount = 0;
    let endedCount = 0;
    const wait = unary((_, call) => {
      startedCount += 1;
      return ended(call.end).then(() => {
        endedCount += 1;
        throw new Error('too late');
      });
    });
    const client = (await ServedGrpc.start({ '/a.B/Wait': wait })).grpcJs();
    // On a slow machine the deadline may pass before anything is sent.
    for (let timeoutMs = 50; startedCount === 0; timeoutMs *= 2) {
      const failure = await failureOf(call(client, '/a.B/Wait', '', { timeoutMs }));
      expect(failure).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    }
    // By the deadline, or by the caller, which keeps it too.
    await expect.poll(() => endedCount, patient).toBe(1);
  });

  test('tells handlers that their callers have gone', async () => {
    const ends: string[] = [];
    const waiting: GrpcMethod = {
      kind: 'serverStream',
      ...plainBytes,
      async *handle(_, call) {
        try {
          yield 'one';
          await ended(call.end);
          ends.push(`aborted, ${call.hasTimedOut}`);
          yield 'two';
          ends.push('asked for more');
        } finally {
          ends.push('finally');
        }
      },
    };
    const client = (await ServedGrpc.start({ '/a.B/Wait': waiting })).grpcJs();
    const stream = client.makeServerStreamRequest('/a.B/Wait', same, same, Buffer.alloc(0));
    stream.on('error', () => {});
    await once(stream, 'data');
    stream.cancel();
    await expect.poll(() => ends, patient).toEqual(['aborted, false', 'finally']);
  });
});
