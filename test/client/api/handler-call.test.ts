import { expect, test } from 'vitest';
import { HandlerCall } from '../../../src/client/api/handler-call.ts';

test('gives what the handler promised, or what it failed with', async () => {
  expect(await new HandlerCall(0).result(Promise.resolve('ack'))).toBe('ack');
  await expect(new HandlerCall(0).result(Promise.reject(new Error('no database')))).rejects.toThrow('no database');
});

test('a handler that has no more time hears of it, and is waited for no longer; what it does later counts no more', async () => {
  const call = new HandlerCall(0);
  const { signal } = call;
  let fail = (_: Error): void => {};
  const promise = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const result = expect(call.result(promise)).rejects.toMatchObject({ kind: 'timeout' });
  expect(signal.aborted).toBe(false);
  call.end('timeout');
  call.end('cancelled');
  await result;
  expect(signal.reason).toMatchObject({ kind: 'timeout', message: 'the handler of a message has no more time' });
  fail(new Error('too late'));
});

test('one that asks only then whether it still has time is told the same', () => {
  const call = new HandlerCall(0);
  call.end('cancelled');
  expect([call.signal.aborted, call.signal]).toEqual([true, call.signal]);
});
