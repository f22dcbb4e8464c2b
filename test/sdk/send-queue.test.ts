import { describe, expect, test } from 'vitest';
import { type Draft, toDraft } from '../../src/sdk/message.ts';
import type { MQError } from '../../src/sdk/mq-error.ts';
import { batchBytesMax, batchCountMax, batchesMax, type QueuedSend, SendQueue } from '../../src/sdk/send-queue.ts';

/** A queue whose batches wait until they are let go. */
class Stage {
  readonly batches: string[][] = [];
  readonly queue: SendQueue;
  readonly #open: (() => void)[] = [];

  constructor(isBatching = true) {
    this.queue = new SendQueue((batch) => this.#send(batch), isBatching);
  }

  publish(body: string, shardingKey = '', call: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<unknown> {
    return this.queue.add(draftOf(body, shardingKey), call, 60_000).catch((error: MQError) => error.reason);
  }

  /** The turn of the event loop ends. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }

  /** The oldest batch that is under way ends. */
  async end(): Promise<void> {
    this.#open.shift()?.();
    await this.turn();
  }

  async #send(batch: readonly QueuedSend[]): Promise<void> {
    const bodies = batch.map(({ draft }) => String(draft.body).slice(0, 8));
    this.batches.push(bodies);
    await new Promise<void>((resolve) => this.#open.push(resolve));
    for (const { resolve, draft } of batch) resolve({ messageId: String(draft.body), receiptHandle: '' });
  }
}

function draftOf(body: string, shardingKey: string): Draft {
  return toDraft({ kind: shardingKey === '' ? 'normal' : 'ordered', body, tag: '', properties: null, shardingKey });
}

describe('sends', () => {
  test('of one turn of the event loop go together, those of the next for themselves', async () => {
    const stage = new Stage();
    for (const body of ['1', '2']) void stage.publish(body);
    await stage.turn();
    void stage.publish('3');
    await stage.turn();
    expect(stage.batches).toEqual([['1', '2'], ['3']]);
  });

  test('go alone where nothing is batched, and with options of their own', async () => {
    const single = new Stage(false);
    for (const body of ['1', '2']) void single.publish(body);
    await single.turn();
    expect(single.batches).toEqual([['1'], ['2']]);
    const stage = new Stage();
    void stage.publish('1');
    void stage.publish('2', '', { timeoutMs: 1_000 });
    void stage.publish('3', '', { signal: new AbortController().signal });
    void stage.publish('4');
    await stage.turn();
    expect(stage.batches).toEqual([['2'], ['3'], ['1', '4']]);
  });

  test.each([
    [batchCountMax, 1],
    [batchCountMax + 1, 2],
  ])('of %i messages go in %i batches', async (count, batchCount) => {
    const stage = new Stage();
    for (let index = 0; index < count; index += 1) void stage.publish(String(index));
    await stage.turn();
    expect(stage.batches).toHaveLength(batchCount);
    expect(stage.batches.flat()).toHaveLength(count);
  });

  test('wait behind too many batches, and leave together; those that go alone do not', async () => {
    const stage = new Stage();
    const whole = batchesMax * batchCountMax;
    for (let index = 0; index < whole; index += 1) void stage.publish('early');
    for (const body of ['1', '2']) void stage.publish(body);
    void stage.publish('3', 'key');
    await stage.turn();
    expect(stage.batches).toHaveLength(batchesMax);
    // Its key has one that waits.
    void stage.publish('4', 'key', { timeoutMs: 60_000 });
    void stage.publish('alone', '', { timeoutMs: 60_000 });
    await stage.turn();
    expect(stage.batches.slice(batchesMax)).toEqual([['alone']]);
    await stage.end();
    expect(stage.batches.slice(batchesMax)).toEqual([['alone'], ['1', '2', '3']]);
    while (stage.batches.length < batchesMax + 3) await stage.end();
    expect(stage.batches.at(-1)).toEqual(['4']);
  });

  test.each([
    ['fit', 128, 1],
    ['are one byte too many', 127, 2],
  ])('that %s for one batch', async (_, overheadBytes, batchCount) => {
    const stage = new Stage();
    void stage.publish('x');
    void stage.publish('y'.repeat(batchBytesMax - 129 - overheadBytes));
    await stage.turn();
    expect(stage.batches).toHaveLength(batchCount);
  });

  test('of one sharding key wait for those under way, in order; others do not', async () => {
    const stage = new Stage();
    void stage.publish('a1', 'a');
    await stage.turn();
    for (const [body, key] of [
      ['a2', 'a'],
      ['b1', 'b'],
      ['plain', ''],
      ['a3', 'a'],
    ] as const) {
      void stage.publish(body, key);
    }
    await stage.turn();
    expect(stage.batches).toEqual([['a1'], ['b1', 'plain']]);
    await stage.end();
    expect(stage.batches.slice(2)).toEqual([['a2', 'a3']]);
  });

  test('that go alone keep the order of their key, too', async () => {
    const stage = new Stage();
    void stage.publish('1', 'a');
    void stage.publish('2', 'a', { timeoutMs: 1_000 });
    void stage.publish('3', 'a');
    await stage.turn();
    expect(stage.batches).toEqual([['1']]);
    await stage.end();
    expect(stage.batches).toEqual([['1'], ['2']]);
    await stage.end();
    expect(stage.batches).toEqual([['1'], ['2'], ['3']]);
  });

  test('that were cancelled, or whose time is over, are not sent', async () => {
    const stage = new Stage();
    const ending = new AbortController();
    void stage.publish('1', 'a');
    await stage.turn();
    const cancelled = stage.publish('2', 'a', { signal: ending.signal });
    const late = stage.publish('3', 'a', { timeoutMs: 1 });
    await stage.turn();
    ending.abort();
    const before = Date.now();
    while (Date.now() - before < 5) await stage.turn();
    await stage.end();
    expect(await Promise.all([cancelled, late])).toEqual(['CANCELLED', 'NOT_STORED']);
    expect(stage.batches).toEqual([['1']]);
  });
});
