/** Streams of replies, by raw frames. */

import { describe, expect, test } from 'vitest';
import { ended } from '../../src/basics/ending.ts';
import type { GrpcCall } from '../../src/grpc/call.ts';
import type { GrpcMethod, ReplySource } from '../../src/grpc/method.ts';
import { CANCEL } from '../support/raw-http2.ts';
import {
  patient,
  plainBytes,
  prefixed,
  type RawGrpc,
  ServedGrpc,
  statusOfAnswer,
  unary,
} from '../support/served-grpc.ts';

const path = '/a.B/Stream';
const initialWindow = 4;
const largestWindow = 2 ** 31 - 1;

function stream(handle: (call: GrpcCall, request: string) => Iterable<unknown> | AsyncIterable<unknown>): GrpcMethod {
  return {
    kind: 'serverStream',
    ...plainBytes,
    async *handle(request, call) {
      yield* handle(call, String(request));
    },
  };
}

/** Replies that are all at hand. */
class Stock implements ReplySource<Buffer> {
  readonly #count: number;
  taken = 0;
  asked = 0;
  returned = 0;

  constructor(count: number) {
    this.#count = count;
  }

  takeNow(): Buffer | undefined {
    if (this.taken >= this.#count) return undefined;
    this.taken += 1;
    return Buffer.alloc(100, this.taken);
  }

  next(): Promise<IteratorResult<Buffer, unknown>> {
    this.asked += 1;
    return Promise.resolve({ done: true, value: undefined });
  }

  return(): Promise<IteratorResult<Buffer, unknown>> {
    this.returned += 1;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function stocked(stock: Stock): GrpcMethod {
  return { kind: 'serverStream', ...plainBytes, handle: () => stock };
}

function start(client: RawGrpc, fields: Record<string, string> = {}): number {
  const id = client.open(path, fields);
  client.data(id, prefixed(''), true);
  return id;
}

describe('a stream of replies', () => {
  test('is one head, one frame for each small reply, and trailers', async () => {
    const client = await (await ServedGrpc.start({ [path]: stream(() => ['one', 'two', '']) })).rawClient();
    const answer = await client.answer(start(client));
    expect(answer.headers).toEqual([expect.objectContaining({ ':status': '200' }), { 'grpc-status': '0' }]);
    expect(answer.body).toEqual(Buffer.concat(['one', 'two', ''].map((reply) => prefixed(reply))));
    expect(answer.dataBytes).toEqual([8, 8, 5]);
  });

  test('ends with head and trailers in one where it is empty', async () => {
    const client = await (await ServedGrpc.start({ [path]: stream(() => []) })).rawClient();
    const { headers } = await client.answer(start(client));
    expect(headers).toEqual([expect.objectContaining({ ':status': '200', 'grpc-status': '0' })]);
  });

  test('asks for the next reply only when its caller takes the last', async () => {
    let made = 0;
    const endless = stream(function* () {
      for (;;) {
        made += 1;
        yield Buffer.alloc(100_000, made);
      }
    });
    const client = await (await ServedGrpc.start({ [path]: endless })).rawClient({ [initialWindow]: 0 });
    const id = start(client);
    await client.settled();
    expect(made).toBe(1);
    // All of the first and almost all of the second.
    client.widen(0, largestWindow - 65_535);
    client.widen(id, 200_000);
    await expect.poll(() => client.sofar(id).body.length, patient).toBe(200_000);
    await client.settled();
    expect(made).toBeGreaterThan(1);
    expect(made).toBeLessThanOrEqual(3);
    client.reset(id, CANCEL);
  });

  test('takes replies that are at hand without asking for each', async () => {
    const stock = new Stock(1_000);
    const client = await (await ServedGrpc.start({ [path]: stocked(stock) })).rawClient({
      [initialWindow]: largestWindow,
    });
    client.widen(0, largestWindow - 65_535);
    const answer = await client.answer(start(client));
    expect(answer.dataBytes).toHaveLength(1_000);
    expect(stock).toMatchObject({ taken: 1_000, asked: 1 });
  });

  test('leaves time to others, however many replies are at hand', async () => {
    const stock = new Stock(Number.POSITIVE_INFINITY);
    const methods = { [path]: stocked(stock), '/a.B/Echo': unary((request) => request) };
    const client = await (await ServedGrpc.start(methods)).rawClient({ [initialWindow]: largestWindow });
    client.widen(0, largestWindow - 65_535);
    const id = start(client);
    expect((await client.call('/a.B/Echo', prefixed('me too'))).body).toEqual(prefixed('me too'));
    client.reset(id, CANCEL);
    await client.settled();
    const { taken } = stock;
    await client.settled();
    expect(stock).toMatchObject({ taken, returned: 1 });
  });

  test.each(['room', 'the next reply'])('ends its handler when its caller goes while it waits for %s', async (what) => {
    const ends: string[] = [];
    const waiting = stream(async function* (call) {
      try {
        yield Buffer.alloc(200_000);
        await ended(call.end);
        ends.push('aborted');
      } finally {
        ends.push('finally');
      }
    });
    const window = what === 'room' ? 0 : 1_000_000;
    const client = await (await ServedGrpc.start({ [path]: waiting })).rawClient({ [initialWindow]: window });
    client.widen(0, 1_000_000);
    const id = start(client);
    await client.settled();
    expect(ends).toEqual([]);
    client.reset(id, CANCEL);
    await expect.poll(() => ends, patient).toEqual(what === 'room' ? ['finally'] : ['aborted', 'finally']);
  });

  test.each([
    ['ends when it is told', true],
    ['pays no heed to it', false],
  ])('ends at its deadline, whether its handler %s', async (_, heeds) => {
    const ends: boolean[] = [];
    const late = stream(async function* (call) {
      yield 'in time';
      await (heeds ? ended(call.end) : new Promise(() => {}));
      ends.push(call.hasTimedOut);
    });
    const client = await (await ServedGrpc.start({ [path]: late })).rawClient();
    const answer = await client.answer(start(client, { 'grpc-timeout': '20m' }));
    expect(statusOfAnswer(answer)).toBe('4 the deadline of the call has passed');
    expect(answer.body).toEqual(prefixed('in time'));
    expect(ends).toEqual(heeds ? [true] : []);
  });

  test('can be cut by its handler while a reply is on its way', async () => {
    const seen: string[] = [];
    const cutting = stream(function* (call) {
      call.end.addEventListener('abort', () => seen.push('aborted'));
      call.watchReplies({
        encoded: () => {
          seen.push('encoded');
          setImmediate(() => call.cut());
        },
        progressed: () => seen.push('progressed'),
      });
      try {
        yield Buffer.alloc(200_000);
      } finally {
        seen.push('finally');
      }
    });
    const client = await (await ServedGrpc.start({ [path]: cutting })).rawClient({ [initialWindow]: 0 });
    const id = start(client);
    // ENHANCE_YOUR_CALM, which clients of gRPC read as RESOURCE_EXHAUSTED.
    expect((await client.answer(id)).resetCode).toBe(11);
    await expect.poll(() => seen, patient).toEqual(['encoded', 'progressed', 'aborted', 'finally']);
  });

  test('shows its handler each time that the caller takes something', async () => {
    let progress = 0;
    const watched = stream(function* (call) {
      call.watchReplies({ encoded: () => {}, progressed: () => (progress += 1) });
      yield Buffer.alloc(1_000_000);
    });
    const client = await (await ServedGrpc.start({ [path]: watched })).rawClient({ [initialWindow]: 0 });
    client.widen(0, 2_000_000);
    const id = start(client);
    await client.settled();
    let before = progress;
    for (let round = 0; round < 5; round += 1) {
      client.widen(id, 150_000);
      await client.settled();
      expect(progress).toBeGreaterThan(before);
      before = progress;
    }
    client.widen(id, 1_000_000);
    expect((await client.answer(id)).body).toHaveLength(1_000_005);
  });

  test('keeps what waits apart from what its codec writes next', async () => {
    const shared = Buffer.alloc(100_000);
    const scribbling: GrpcMethod = {
      ...stream((_, request) => [request, request]),
      encode: (reply: unknown) => shared.fill(String(reply)),
    };
    const client = await (await ServedGrpc.start({ [path]: scribbling })).rawClient({ [initialWindow]: 0 });
    client.widen(0, 1_000_000);
    const ids = ['a', 'b', 'c'].map((letter) => {
      const id = client.open(path);
      client.data(id, prefixed(letter), true);
      return { id, letter };
    });
    await client.settled();
    for (const { id } of ids) client.widen(id, 1_000_000);
    for (const { id, letter } of ids) {
      const { body } = await client.answer(id);
      expect(body.equals(Buffer.concat([1, 2].map(() => prefixed(letter.repeat(100_000)))))).toBe(true);
    }
  });

  test('ends with the failure of a reply that is too long or cannot be encoded, and asks for no more', async () => {
    const ends: string[] = [];
    const long = stream(function* () {
      try {
        yield 'x'.repeat(100);
        yield 'x'.repeat(101);
      } finally {
        ends.push('finally');
      }
    });
    const client = await (await ServedGrpc.start({ [path]: long }, { messageBytesMax: 100 })).rawClient();
    const answer = await client.answer(start(client));
    expect(statusOfAnswer(answer)).toBe('8 a message of 101 bytes; at most 100 are allowed');
    expect(answer.body).toHaveLength(105);
    expect(ends).toEqual(['finally']);
  });
});
