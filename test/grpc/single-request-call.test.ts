/** Calls with one request, by raw frames. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GrpcMethod } from '../../src/grpc/method.ts';
import { CANCEL } from '../support/raw-http2.ts';
import { patient, plainBytes, prefixed, ServedGrpc, statusOfAnswer, unary } from '../support/served-grpc.ts';

const path = '/a.B/Echo';
const echo = unary((request) => request);

const head = { ':status': '200', 'content-type': 'application/grpc', 'grpc-accept-encoding': 'gzip' };

describe('a call with one request', () => {
  test('is answered by head, message and trailers', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    expect(await client.call(path, prefixed('hello'))).toEqual({
      headers: [head, { 'grpc-status': '0' }],
      body: prefixed('hello'),
      dataBytes: [10],
      resetCode: undefined,
    });
    const proto = await client.call(path, prefixed(''), { 'content-type': 'application/grpc+proto' });
    expect(proto.headers).toEqual([{ ...head, 'content-type': 'application/grpc+proto' }, { 'grpc-status': '0' }]);
    expect(proto.body).toEqual(prefixed(''));
  });

  test('is the same however its body is cut into frames', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    const body = prefixed('hello, world');
    const answers = Array.from({ length: body.length - 1 }, async (_, place) => {
      const id = client.open(path);
      client.data(id, body.subarray(0, place + 1));
      client.data(id, body.subarray(place + 1), place % 2 === 0);
      if (place % 2 === 1) client.data(id, Buffer.alloc(0), true);
      return (await client.answer(id)).body.toString();
    });
    expect(new Set(await Promise.all(answers))).toEqual(new Set([body.toString()]));
  });

  test('fails with head and trailers in one', async () => {
    const refuse = unary(() => {
      throw new Error('secret');
    });
    const client = await (await ServedGrpc.start({ [path]: refuse })).rawClient();
    const answer = await client.call(path, prefixed(''));
    const failed = { 'grpc-status': '2', 'grpc-message': 'the handler of the call failed' };
    expect(answer).toMatchObject({ headers: [{ ...head, ...failed }], dataBytes: [], resetCode: undefined });
  });

  const text = 'x'.repeat(100);
  test.each([
    ['no body', Buffer.alloc(0), '12 the method takes one request, and none came'],
    ['half a prefix', Buffer.alloc(3), '13 the last message of the request is cut off'],
    ['a shorter message than its prefix says', prefixed('abc', 0, 4), '13 the last message of the request is cut off'],
    [
      'a byte behind the message',
      Buffer.concat([prefixed('abc'), Buffer.alloc(1)]),
      '13 the last message of the request is cut off',
    ],
    ['a longer message than its prefix says', prefixed('abcde', 0, 3), '13 the flags of a message are 100, not 0 or 1'],
    [
      'two messages',
      Buffer.concat([prefixed('a'), prefixed('b')]),
      '12 the method takes one request, and more than one came',
    ],
    ['a message of one byte too many', prefixed(`${text}x`), '8 a message of 101 bytes; at most 100 are allowed'],
    [
      'a message that says it has 4 GiB',
      prefixed('', 0, 0xffff_ffff),
      '8 a message of 4294967295 bytes; at most 100 are allowed',
    ],
    ['flags that are none', prefixed('a', 2), '13 the flags of a message are 2, not 0 or 1'],
    [
      'a compressed message that does not say how',
      prefixed(gzipSync('a'), 1),
      '13 a message is compressed, but the request has no grpc-encoding',
    ],
  ])('is refused for %s', async (_, body, status) => {
    const client = await (await ServedGrpc.start({ [path]: echo }, { messageBytesMax: 100 })).rawClient();
    expect(statusOfAnswer(await client.call(path, body))).toBe(status);
    // The connection is none the worse.
    expect((await client.call(path, prefixed(text))).body).toEqual(prefixed(text));
  });

  test('is refused by the prefix of its message, whatever would still come', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    for (const claimed of [5_242_881, 0xffff_ffff]) {
      const id = client.open(path);
      client.data(id, prefixed('the first of many', 0, claimed));
      const answer = await client.answer(id);
      expect(statusOfAnswer(answer)).toBe(`8 a message of ${claimed} bytes; at most 5242880 are allowed`);
      await expect.poll(() => client.sofar(id).resetCode, patient).toBe(0);
    }
  });

  test('takes gzip, within the limit of what it stands for', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo }, { messageBytesMax: 1_000 })).rawClient();
    const gzip = { 'grpc-encoding': 'gzip' };
    expect((await client.call(path, prefixed(gzipSync(Buffer.alloc(1_000, 'a')), 1), gzip)).body).toEqual(
      prefixed(Buffer.alloc(1_000, 'a')),
    );
    expect((await client.call(path, prefixed('plain'), gzip)).body).toEqual(prefixed('plain'));
    const refused = [prefixed(gzipSync(Buffer.alloc(1_001)), 1), prefixed('no gzip', 1), prefixed('', 1)].map(
      async (body) => statusOfAnswer(await client.call(path, body, gzip)),
    );
    expect(await Promise.all(refused)).toEqual([
      '8 a message decompresses to more than the 1000 bytes that are allowed',
      '13 a message cannot be decompressed',
      '13 a message cannot be decompressed',
    ]);
  });

  test('is not served when its caller goes while it is decompressed', async () => {
    const served: string[] = [];
    const note = unary((request) => {
      served.push(String(request.subarray(0, 4)));
      return '';
    });
    const client = await (await ServedGrpc.start({ [path]: note })).rawClient();
    const gzip = { 'grpc-encoding': 'gzip' };
    const gone = client.open(path, gzip);
    client.data(gone, prefixed(gzipSync('gone'), 1), true);
    client.reset(gone, CANCEL);
    // By the time that more than that is decompressed, it would have been served.
    for (const text of ['next', 'last']) await client.call(path, prefixed(gzipSync(text.repeat(100_000)), 1), gzip);
    expect(served).toEqual(['next', 'last']);
  });

  test.each([
    [{ 'grpc-encoding': 'br' }, '12 the grpc-encoding of the request is not known here: use gzip or none'],
    [{ 'grpc-timeout': '1 day' }, '13 malformed grpc-timeout'],
  ])('is refused at once for %j', async (fields, status) => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    const answer = await client.answer(client.open(path, fields));
    expect(statusOfAnswer(answer)).toBe(status);
    expect(answer.headers[0]).toMatchObject({ ':status': '200', 'grpc-accept-encoding': 'gzip' });
  });

  test('tells of a request that cannot be decoded, unless the codec says otherwise', async () => {
    const refuse = (error: Error): GrpcMethod => ({
      kind: 'unary',
      ...plainBytes,
      decode: () => {
        throw error;
      },
      handle: () => '',
    });
    const client = await (await ServedGrpc.start({ [path]: refuse(new RangeError('at 7')) })).rawClient();
    expect(statusOfAnswer(await client.call(path, prefixed('')))).toBe(
      '3 the request cannot be read: its bytes are no such message',
    );
  });

  test('tells of a reply that cannot be encoded', async () => {
    const broken: GrpcMethod = {
      kind: 'unary',
      ...plainBytes,
      encode: () => {
        throw new RangeError('far');
      },
      handle: async () => '',
    };
    const client = await (await ServedGrpc.start({ [path]: broken })).rawClient();
    expect(statusOfAnswer(await client.call(path, prefixed('')))).toBe('2 the handler of the call failed');
  });

  test('may end with trailers', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    const id = client.open(path);
    client.data(id, prefixed('hello'));
    client.trailers(id, { 'x-last': 'yes' });
    expect((await client.answer(id)).body).toEqual(prefixed('hello'));
  });

  test('gives the flow-control windows back for all that it takes', async () => {
    const client = await (await ServedGrpc.start({ [path]: echo })).rawClient();
    client.widen(0, 1 << 30);
    // More than the connection's window of 1 MiB, and each more than its stream's of 256 KiB.
    for (let round = 0; round < 3; round += 1) {
      const id = client.open(path);
      client.widen(id, 1 << 20);
      const body = prefixed(Buffer.alloc(1_000_000, round));
      await client.dataInWindow(id, body);
      expect((await client.answer(id)).body.equals(body)).toBe(true);
    }
  });

  test('answers or fails whatever bytes come, and lives on', { timeout: 60_000 }, async () => {
    const served = await ServedGrpc.start({ [path]: echo }, { messageBytesMax: 100 });
    const client = await served.rawClient();
    const bodies = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc
        .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 12 }))
        .map(([flags, claimed, bytes]) => prefixed(bytes, flags, claimed)),
    );
    await fc.assert(
      fc.asyncProperty(bodies, fc.constantFrom('gzip', 'identity'), async (body, encoding) => {
        const answer = await client.call(path, body, { 'grpc-encoding': encoding });
        expect(answer.headers.at(-1)?.['grpc-status']).toMatch(/^(0|8|12|13)$/);
      }),
      { seed: 46, numRuns: 500 },
    );
    expect(served.failures).toEqual([]);
  });
});
