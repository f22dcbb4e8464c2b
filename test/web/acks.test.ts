import { describe, expect, it } from 'vitest';
import { ackHandlesMax as taken } from '../../src/proxy/receive/settle.ts';
import { type AckOutcomes, Acks, ackHandlesMax } from '../../src/web/acks.ts';
import { MQError } from '../../src/web/errors.ts';

const expired = new MQError('NOT_FOUND', 'RECEIPT_EXPIRED', 'too late');

/** Calls that wait for their answers. */
function waitingCalls() {
  const calls: { readonly handles: string[]; readonly answer: (outcomes: AckOutcomes) => void }[] = [];
  const acks = new Acks((handles) => new Promise((answer) => calls.push({ handles, answer })));
  return { calls, acks };
}

describe('acks', () => {
  it('of one turn leave together, and those that come meanwhile leave next', async () => {
    const { calls, acks } = waitingCalls();
    const first = Promise.all([acks.add('a'), acks.add('b')]);
    await Promise.resolve();
    const next = Promise.all([acks.add('c'), acks.add('d')]);
    expect(calls.map(({ handles }) => handles)).toEqual([['a', 'b']]);
    calls[0]?.answer([undefined, undefined]);
    await first;
    expect(calls.map(({ handles }) => handles)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    calls[1]?.answer([undefined, undefined]);
    await next;
    const last = acks.add('e');
    await Promise.resolve();
    expect(calls[2]?.handles).toEqual(['e']);
    calls[2]?.answer([undefined]);
    await last;
  });

  it('leave in calls that the proxy takes', async () => {
    const sizes: number[] = [];
    const acks = new Acks(async (handles) => {
      sizes.push(handles.length);
      return handles.map(() => undefined);
    });
    await Promise.all(Array.from({ length: 2 * ackHandlesMax + 1 }, (_, index) => acks.add(`${index}`)));
    expect([sizes, ackHandlesMax]).toEqual([[taken, taken, 1], taken]);
  });

  it('fail each for itself, and all with their call', async () => {
    const acks = new Acks(async (handles) => {
      if (handles.includes('down')) throw expired;
      return handles.map((handle) => (handle === 'old' ? expired : undefined));
    });
    const settled = await Promise.allSettled([acks.add('new'), acks.add('old')]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const all = await Promise.allSettled([acks.add('down'), acks.add('new')]);
    expect(all.map((one) => one.status === 'rejected' && one.reason)).toEqual([expired, expired]);
  });

  it('are settled when all that were there are answered', async () => {
    const { calls, acks } = waitingCalls();
    await acks.settled();
    let isSettled = false;
    const added = acks.add('a').catch(() => 'failed');
    const settled = acks.settled().then(() => {
      isSettled = true;
    });
    await Promise.resolve();
    expect(isSettled).toBe(false);
    calls[0]?.answer([expired]);
    await settled;
    expect(await added).toBe('failed');
  });
});
