import { describe, expect, it } from 'vitest';
import { decodeReceipt, encodeReceipt, isPullReceipt, type PullReceipt } from '../../src/client/receipt.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';

const pull: PullReceipt = {
  clientMark: 'a1B2',
  deliveryNumber: 4_711,
  brokerName: 'broker-a',
  queueTopic: '%RETRY%group',
  queueId: 7,
  queueOffset: 12_345_678_901n,
};
const pop: PopReceipt = {
  startOffset: 1n,
  popTimeMs: 2,
  invisibleDurationMs: 3,
  reviveQueueId: 4,
  retry: '1',
  brokerName: 'pull',
  queueId: 5,
  queueOffset: 6n,
};

describe('a receipt as text', () => {
  it.each([pull, pop])('is read as it was written: %o', (receipt) => {
    expect(decodeReceipt(encodeReceipt(receipt))).toEqual(receipt);
    expect(isPullReceipt(receipt)).toBe(receipt === pull);
  });

  it.each([
    '',
    'pull',
    'pull ',
    'pull a 1 b t 1',
    'pull a 1 b t 1 2 3',
    'pull a- 1 b t 1 2',
    'pull a 0 b t 1 2',
    'pull a 01 b t 1 2',
    'pull a x b t 1 2',
    'pull a 9999999999999999 b t 1 2',
    'pull a 1 b t -1 2',
    'pull a 1 b t 01 2',
    'pull a 1 b t 1 -2',
    'pull a 1 b t 1 9999999999999999999',
    `pull ${'a'.repeat(65)} 1 b t 1 2`,
  ])('is refused when it is another: %j', (text) => {
    expect(() => decodeReceipt(text)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  });
});
