import { beforeEach, describe, expect, it } from 'vitest';
import { type StreamEnd, StreamReplies } from '../../../src/proxy/rpc/stream-replies.ts';

describe('StreamReplies', () => {
  let waiting: (number | Error)[];
  let ends: StreamEnd[];
  let leftCount: number;
  let refusal: Error | undefined;
  let told: Error | undefined;

  beforeEach(() => {
    waiting = [];
    ends = [];
    leftCount = 0;
    refusal = undefined;
    told = undefined;
  });

  function take(): number | undefined {
    const next = waiting.shift();
    if (next instanceof Error) throw next;
    return next;
  }

  function repliesOf(begin: () => Promise<void> = async () => {}, next = async () => take()): StreamReplies<number> {
    const source = {
      takeNow: take,
      next: async (): Promise<IteratorResult<number, undefined>> => {
        const value = await next();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async (): Promise<IteratorReturnResult<undefined>> => {
        leftCount += 1;
        return { done: true, value: undefined };
      },
    };
    return new StreamReplies({
      begin: async () => {
        await begin();
        return { [Symbol.asyncIterator]: () => source };
      },
      refusal: () => refusal,
      end: (how) => {
        ends.push(how);
        return told;
      },
    });
  }

  it('begin with the first that is waited for, and then give what is at hand at once', async () => {
    waiting = [1, 2, 3];
    const replies = repliesOf();
    expect(replies.takeNow()).toBeUndefined();
    expect(await replies.next()).toEqual({ done: false, value: 1 });
    expect([replies.takeNow(), replies.takeNow(), replies.takeNow()]).toEqual([2, 3, undefined]);
    expect(await replies.next()).toEqual({ done: true, value: undefined });
    expect(ends).toEqual(['done']);
    expect(await replies.next()).toEqual({ done: true, value: undefined });
    expect([leftCount, ends]).toEqual([0, ['done']]);
  });

  it('give nothing at once while somebody waits', async () => {
    waiting = [1];
    let resolve = (): void => {};
    const held = new Promise<void>((done) => {
      resolve = done;
    });
    const replies = repliesOf(undefined, async () => {
      await held;
      return take();
    });
    const next = replies.next();
    await Promise.resolve();
    expect(replies.takeNow()).toBeUndefined();
    resolve();
    expect(await next).toMatchObject({ value: 1 });
  });

  it('end as what keeps the call out', async () => {
    const error = new Error('kept out');
    told = new Error('told');
    const replies = repliesOf(() => Promise.reject(error));
    await expect(replies.next()).rejects.toBe(told);
    expect([ends, leftCount]).toEqual([[{ error }], 0]);
    expect(await replies.next()).toMatchObject({ done: true });
  });

  it.each(['waited for', 'taken'])('end as what fails when it is %s, of which who waits next is told', async (how) => {
    const error = new Error('damaged');
    waiting = [1, error];
    told = new Error('told');
    const replies = repliesOf();
    await replies.next();
    if (how === 'taken') expect([replies.takeNow(), replies.takeNow()]).toEqual([undefined, undefined]);
    await expect(replies.next()).rejects.toBe(told);
    expect(ends).toEqual([{ error }]);
    // A source that failed in waiting is over; one that did not has to be ended.
    expect(leftCount).toBe(how === 'taken' ? 1 : 0);
  });

  it('end without an error where nobody is to be told', async () => {
    waiting = [new Error('the caller has gone')];
    expect(await repliesOf().next()).toEqual({ done: true, value: undefined });
  });

  it('give no more to who may have no more', async () => {
    waiting = [1, 2, 3];
    const replies = repliesOf();
    await replies.next();
    refusal = new Error('refused');
    told = refusal;
    expect(replies.takeNow()).toBeUndefined();
    await expect(replies.next()).rejects.toBe(refusal);
    expect([leftCount, ends]).toEqual([1, [{ error: refusal }]]);
  });

  it('are told of a deadline that passed while they came to their end', async () => {
    told = new Error('too late');
    await expect(repliesOf().next()).rejects.toBe(told);
    expect(ends).toEqual(['done']);
  });

  it('end once, whatever is asked of them behind that', async () => {
    waiting = [1, 2];
    const replies = repliesOf();
    await replies.next();
    await replies.return();
    await replies.return();
    expect([leftCount, ends, replies.takeNow()]).toEqual([1, ['left'], undefined]);
    await expect(replies.throw(new Error('late'))).rejects.toThrow('late');
  });

  it('end as what their reader failed with', async () => {
    waiting = [1, 2];
    const replies = repliesOf();
    await replies.next();
    const error = new Error('cannot be written');
    expect(await replies.throw(error)).toEqual({ done: true, value: undefined });
    expect([leftCount, ends]).toEqual([1, [{ error }]]);
  });

  it('never begin where nobody waited', async () => {
    const replies = repliesOf(() => Promise.reject(new Error('begun')));
    await replies.return();
    expect(await replies.next()).toMatchObject({ done: true });
    expect(ends).toEqual([]);
  });

  it('wait for the handler before they end', async () => {
    let resolve = (): void => {};
    const held = new Promise<void>((done) => {
      resolve = done;
    });
    const replies = repliesOf(undefined, async () => {
      await held;
      return undefined;
    });
    const order: string[] = [];
    const next = replies.next().then(() => order.push('next'));
    const left = replies.return().then(() => order.push('return'));
    resolve();
    await Promise.all([next, left]);
    expect([order, ends, leftCount]).toEqual([['next', 'return'], ['done'], 0]);
  });
});
