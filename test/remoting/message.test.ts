import { describe, expect, test } from 'vitest';
import { delayLevelsMs, isReservedProperty, MessageProperty } from '../../src/remoting/message.ts';

describe('isReservedProperty', () => {
  test.each(Object.values(MessageProperty))('%s is not for users', (name) => {
    expect(isReservedProperty(name)).toBe(true);
  });

  test.each([
    'UNIQ_KEY',
    'DELAY',
    'TRAN_MSG',
    'REAL_TOPIC',
    'POP_CK',
    '1ST_POP_TIME',
    '__STARTDELIVERTIME',
    '__CRC32#',
  ])('knows the wire name %s', (name) => {
    expect(isReservedProperty(name)).toBe(true);
  });

  test('names with the prefix of transient properties are not for users', () => {
    expect(isReservedProperty('__RMQ.TRANSIENT.')).toBe(true);
    expect(isReservedProperty('__RMQ.TRANSIENT.anything')).toBe(true);
  });

  test.each(['', 'color', 'delay', 'TAGS2', '__RMQ.TRANSIENT', 'constructor', '__proto__', 'toString'])(
    '%j is free',
    (name) => {
      expect(isReservedProperty(name)).toBe(false);
    },
  );
});

test('the delay levels are the 18 that brokers have by default', () => {
  // "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"
  const seconds = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200];
  expect(delayLevelsMs).toEqual(seconds.map((count) => count * 1000));
});
