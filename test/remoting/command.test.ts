import { describe, expect, test } from 'vitest';
import { isOneWay, isReply, newExtFields, nextOpaque } from '../../src/remoting/command.ts';
import { blankCommand } from '../support/loopback-server.ts';

describe('nextOpaque', () => {
  test('counts up, and wraps where a signed int32 ends', () => {
    const none = new Set<number>();
    expect(nextOpaque(0, none)).toBe(1);
    expect(nextOpaque(2 ** 31 - 2, none)).toBe(2 ** 31 - 1);
    expect(nextOpaque(2 ** 31 - 1, none)).toBe(-(2 ** 31));
    expect(nextOpaque(-1, none)).toBe(0);
  });

  test('passes over numbers that are still waiting for their reply, across the wrap too', () => {
    expect(nextOpaque(0, new Set([1, 2, 4]))).toBe(3);
    expect(nextOpaque(2 ** 31 - 2, new Set([2 ** 31 - 1, -(2 ** 31)]))).toBe(-(2 ** 31) + 1);
  });
});

test('the flag says reply and one-way; its other bits mean nothing', () => {
  expect([0, 1, 2, 3, 0x7ffffffc].map((flag) => isReply({ ...blankCommand, flag }))).toEqual([
    false,
    true,
    false,
    true,
    false,
  ]);
  expect([0, 1, 2, 3, -4].map((flag) => isOneWay({ ...blankCommand, flag }))).toEqual([
    false,
    false,
    true,
    true,
    false,
  ]);
});

test('a header map inherits nothing', () => {
  expect(newExtFields()['toString']).toBeUndefined();
});
