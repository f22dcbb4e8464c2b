import { describe, expect, it } from 'vitest';
import type { TransactionCheck } from '../../../src/client/send/transaction-checks.ts';
import { WaitingChecks, waitingCheckBytesMax, waitingChecksMax } from '../../../src/client/send/waiting-checks.ts';

function check(messageId: string, commitLogOffset = 1n, bytes = 1): TransactionCheck {
  return {
    half: {
      topic: 'topic',
      brokerName: 'broker-a',
      queueOffset: 1n,
      commitLogOffset,
      messageId,
      transactionId: messageId,
      producerGroup: 'group',
      bornTimestampMs: 1,
      isChecked: true,
    },
    body: Buffer.alloc(bytes),
    tag: undefined,
    properties: new Map(),
  };
}

const never = new AbortController().signal;

describe('WaitingChecks', () => {
  it('hands out the oldest first, to whoever waits', async () => {
    const waiting = new WaitingChecks();
    const early = waiting.take(never, 30_000);
    waiting.add(check('1'));
    waiting.add(check('2'));
    expect((await early)?.half.messageId).toBe('1');
    expect((await waiting.take(never, 30_000))?.half.messageId).toBe('2');
    expect(await waiting.take(never, 1)).toBeUndefined();
  });

  it('gives each check to one of several', async () => {
    const waiting = new WaitingChecks();
    const takers = [waiting.take(never, 200), waiting.take(never, 200)];
    waiting.add(check('1'));
    const taken = await Promise.all(takers);
    expect(taken.filter((each) => each !== undefined)).toHaveLength(1);
  });

  it('forgets the copy of an earlier check', async () => {
    const waiting = new WaitingChecks();
    waiting.add(check('1', 1n));
    waiting.add(check('1', 2n));
    expect(waiting.count).toBe(1);
    expect((await waiting.take(never, 1))?.half.commitLogOffset).toBe(2n);
  });

  it('takes as many as may wait, and one of those again', () => {
    const waiting = new WaitingChecks();
    for (let index = 0; index < waitingChecksMax; index += 1) expect(waiting.add(check(String(index)))).toBe(true);
    expect(waiting.add(check('one more'))).toBe(false);
    expect(waiting.add(check('0', 2n))).toBe(true);
    expect(waiting.count).toBe(waitingChecksMax);
  });

  it('takes as many bytes as may wait', async () => {
    const waiting = new WaitingChecks();
    expect(waiting.add(check('1', 1n, waitingCheckBytesMax))).toBe(true);
    expect(waiting.add(check('2'))).toBe(false);
    await waiting.take(never, 1);
    expect(waiting.add(check('2'))).toBe(true);
  });

  it('ends with its signal, and takes nothing then', async () => {
    const waiting = new WaitingChecks();
    const ending = new AbortController();
    const taking = waiting.take(ending.signal, 30_000);
    ending.abort();
    expect(await taking).toBeUndefined();
    waiting.add(check('1'));
    expect(await waiting.take(ending.signal, 30_000)).toBeUndefined();
    expect(waiting.count).toBe(1);
  });
});
