import { describe, expect, it } from 'vitest';
import { decodeClaim, encodeClaim, isPullClaim } from '../../src/client/receipt.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';

const pull = { clientMark: 'a1B2', deliveryNumber: 99_999_999_999_999 };
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

describe('what settles a delivery, as text', () => {
  it.each([pull, pop])('is read as it was written: %o', (claim) => {
    expect(decodeClaim(encodeClaim(claim))).toEqual(claim);
    expect(isPullClaim(claim)).toBe(claim === pull);
  });

  it('has no more of a receipt by pull than is needed', () => {
    const place = { brokerName: 'broker-a', queueTopic: 't', queueId: 0, queueOffset: 1n };
    expect(decodeClaim(encodeClaim({ ...pull, ...place }))).toEqual(pull);
  });

  it.each([
    '',
    'pull',
    'pull ',
    'pull a',
    'pull a 1 2',
    'pull a- 1',
    'pull a 0',
    'pull a 01',
    'pull a -1',
    'pull a x',
    'pull a 999999999999999',
    `pull ${'a'.repeat(65)} 1`,
  ])('is refused when it is another: %j', (text) => {
    expect(() => decodeClaim(text)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  });
});
