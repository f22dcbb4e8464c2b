import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { streamEnding } from '../../../src/proxy/rpc/stream-ending.ts';

test('ends with the first of its signals, and with one that has come already', () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const ending = streamEnding([one.signal, other.signal]);
  expect(ending.signal.aborted).toBe(false);
  other.abort();
  expect(ending.signal.aborted).toBe(true);
  expect(streamEnding([one.signal, other.signal]).signal.aborted).toBe(true);
});

test('listens no more once it has ended, and ends what still waits', () => {
  const one = new AbortController();
  const ending = streamEnding([one.signal]);
  expect(getEventListeners(one.signal, 'abort')).toHaveLength(1);
  ending.end();
  expect(getEventListeners(one.signal, 'abort')).toHaveLength(0);
  expect(ending.signal.aborted).toBe(true);
});
