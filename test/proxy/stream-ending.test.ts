import { expect, test } from 'vitest';
import { streamEnding } from '../../src/proxy/stream-ending.ts';

test('ends with the first of its signals, and with one that has come already', () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const ending = streamEnding([one.signal, other.signal]);
  expect(ending.signal.aborted).toBe(false);
  other.abort();
  expect(ending.signal.aborted).toBe(true);
  expect(streamEnding([one.signal, other.signal]).signal.aborted).toBe(true);
});

test('listens no more once it is released', () => {
  const one = new AbortController();
  const ending = streamEnding([one.signal]);
  ending.release();
  one.abort();
  expect(ending.signal.aborted).toBe(false);
});
