import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { BatchError, outcomesOf, splitBatch } from '../../../src/client/send/batches.ts';
import type { SendResult } from '../../../src/client/send/outgoing-message.ts';
import { batchRecordsMax } from '../../../src/remoting/message-batch.ts';

const lengths = (sizes: readonly number[], batchBytesMax: number, batchCountMax: number): number[] =>
  splitBatch(sizes, { batchBytesMax, batchCountMax }).map(({ start, end }) => end - start);

describe('splitBatch', () => {
  test.each([
    ['nothing', [], []],
    ['what fits exactly stays together', [40, 60], [2]],
    ['a byte more is cut off', [40, 61], [1, 1]],
    ['one that is too large alone goes alone', [10, 101, 10], [1, 1, 1]],
    ['each part is filled before the next begins', [50, 50, 50, 50, 50], [2, 2, 1]],
  ])('%s', (_, sizes, parts) => {
    expect(lengths(sizes, 100, 10)).toEqual(parts);
  });

  test('cuts by count, at most as many as brokers can count', () => {
    expect(lengths([1, 1, 1, 1], 100, 4)).toEqual([4]);
    expect(lengths([1, 1, 1, 1, 1], 100, 4)).toEqual([4, 1]);
    const sizes = Array.from({ length: batchRecordsMax + 1 }, () => 1);
    expect(lengths(sizes, 1_000_000, 1_000_000)).toEqual([batchRecordsMax, 1]);
  });

  test('leaves nothing out, keeps the order and the limits', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 8 }), (all, batchCountMax) => {
        const parts = splitBatch(all, { batchBytesMax: 200, batchCountMax });
        expect(parts.flatMap(({ start, end }) => all.slice(start, end))).toEqual(all);
        for (const { start, end } of parts) {
          const bytes = all.slice(start, end).reduce((sum, size) => sum + size, 0);
          expect(end - start).toBeLessThanOrEqual(batchCountMax);
          expect(bytes).toBeLessThanOrEqual(200);
        }
      }),
    );
  });
});

describe('outcomesOf', () => {
  const result: SendResult = {
    messageId: 'one',
    offsetMessageId: '',
    queue: { topic: 't', brokerName: 'b', queueId: 0 },
    queueOffset: 0n,
    bornTimestampMs: 0,
    transactionId: undefined,
    recallHandle: undefined,
    // biome-ignore lint/suspicious/noExplicitAny: no connection is used here.
    channel: undefined as any,
  };
  const ids = ['one', 'two', 'three', 'four'];
  const states = (error: unknown): string[] =>
    outcomesOf(ids, [result], { start: 1, end: 3 }, error).map(({ state }) => state);

  test('are unknown only for the part that got no answer', () => {
    expect(states(new ClientError('outcomeUnknown', 'no answer'))).toEqual([
      'stored',
      'unknown',
      'unknown',
      'notStored',
    ]);
  });

  test('are not stored behind a part that was refused', () => {
    expect(states(new ClientError('notStored', 'refused'))).toEqual(['stored', 'notStored', 'notStored', 'notStored']);
  });

  test('have the ids, and the error counts them', () => {
    const cause = new ClientError('outcomeUnknown', 'no answer');
    const error = new BatchError(outcomesOf(ids, [result], { start: 1, end: 3 }, cause), cause);
    expect(error.outcomes.map(({ messageId }) => messageId)).toEqual(ids);
    expect(error.cause).toBe(cause);
    expect(error.message).toBe('of a batch of 4 messages 1 are stored, 2 may be stored, 1 are not: no answer');
  });
});
