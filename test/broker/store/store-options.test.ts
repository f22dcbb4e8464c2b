import { expect, test } from 'vitest';
import { completeStoreOptions } from '../../../src/broker/store/store-options.ts';
import { storeHost, TestClock } from './support.ts';

const needed = { directory: 'x', storeHost, clock: new TestClock() };

test('defaults on disk', () => {
  const options = completeStoreOptions(needed);
  expect(options).toMatchObject({
    flush: 'async',
    flushIntervalMs: 500,
    segmentBytes: 64 * 2 ** 20,
    retentionMs: 259_200_000,
    retentionBytes: 2 ** 30,
    waitingBytesMax: 64 * 2 ** 20,
  });
  expect(options.retainFrom()).toBe(Number.POSITIVE_INFINITY);
});

test('memory is smaller and has nothing to flush later', () => {
  expect(completeStoreOptions({ ...needed, directory: undefined, flush: 'async' })).toMatchObject({
    flush: 'sync',
    segmentBytes: 16 * 2 ** 20,
    retentionBytes: 256 * 2 ** 20,
  });
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 32 + 1])('segments of %d bytes cannot be', (segmentBytes) => {
  expect(() => completeStoreOptions({ ...needed, segmentBytes })).toThrow(RangeError);
});

test.each([1, 2 ** 32])('segments of %d bytes can be', (segmentBytes) => {
  expect(completeStoreOptions({ ...needed, segmentBytes }).segmentBytes).toBe(segmentBytes);
});
