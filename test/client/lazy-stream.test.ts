import { expect, test } from 'vitest';
import { LazyStream } from '../../src/client/lazy-stream.ts';
import type { PullReceipt } from '../../src/client/receipt.ts';
import { readMessage } from '../../src/client/received-message.ts';
import { storedAt } from '../support/pulled-messages.ts';

/** A stream, and what it gets and does; `undefined` is its end. */
function streamOf() {
  const atHand: string[] = [];
  const waiting: ((text: string | Error | undefined) => void)[] = [];
  const counts = { starts: 0, ends: 0 };
  const messageOf = (text: string) => {
    const body = Buffer.from(text);
    const receipt: PullReceipt = {
      ...{ clientMark: 'a', deliveryNumber: 1 },
      ...{ brokerName: 'b', queueTopic: 't', queueId: 0, queueOffset: 0n },
    };
    return readMessage(storedAt(0, { body }), { topic: 't', reconsumeTimes: 0, receipt }, body);
  };
  const stream = new LazyStream<PullReceipt>(() => {
    counts.starts += 1;
    return {
      messages: {
        takeNow() {
          const text = atHand.shift();
          return text === undefined ? undefined : messageOf(text);
        },
        next: () =>
          new Promise((resolve, reject) => {
            waiting.push((text) => {
              if (text instanceof Error) reject(text);
              else resolve(text === undefined ? undefined : messageOf(text));
            });
          }),
      },
      end: async () => {
        counts.ends += 1;
        for (const arrive of waiting.splice(0)) arrive(undefined);
      },
    };
  });
  const arrive = (text: string | Error | undefined): void => waiting.shift()?.(text);
  const next = async (): Promise<string> => {
    const { value } = await stream.next();
    return value === undefined ? 'end' : value.body.toString();
  };
  return { stream, atHand, arrive, next, counts };
}

test('begins with its first message, and gives what is at hand without waiting', async () => {
  const { stream, atHand, next, counts } = streamOf();
  atHand.push('1', '2', '3');
  expect([stream.takeNow(), counts.starts]).toEqual([undefined, 0]);
  expect(await next()).toBe('1');
  expect(stream.takeNow()?.body.toString()).toBe('2');
  expect(await next()).toBe('3');
  expect([stream.takeNow(), counts]).toEqual([undefined, { starts: 1, ends: 0 }]);
});

test('who asks several times at once gets the messages in that order, and nobody overtakes', async () => {
  const { stream, atHand, arrive, next } = streamOf();
  const asked = [next(), next(), next()];
  await Promise.resolve();
  atHand.push('2', '3');
  expect(stream.takeNow()).toBeUndefined();
  arrive('1');
  expect(await Promise.all(asked)).toEqual(['1', '2', '3']);
});

test('leaving the loop ends it, once what it left is given back', async () => {
  const { stream, atHand, counts, next } = streamOf();
  atHand.push('1', '2');
  for await (const _ of stream) break;
  expect(counts.ends).toBe(1);
  expect([stream.takeNow(), await next()]).toEqual([undefined, 'end']);
});

test('ends also while somebody waits', async () => {
  const { stream, next } = streamOf();
  const asked = [next(), next()];
  await Promise.resolve();
  await stream.return();
  expect(await Promise.all(asked)).toEqual(['end', 'end']);
});

test('one that was never begun ends without a beginning', async () => {
  const { stream, next, counts } = streamOf();
  expect(await stream.return()).toEqual({ done: true, value: undefined });
  expect([await next(), counts]).toEqual(['end', { starts: 0, ends: 0 }]);
});

test('ends by itself at its end', async () => {
  const { arrive, next, counts } = streamOf();
  const asked = next();
  await Promise.resolve();
  arrive(undefined);
  expect([await asked, await next(), counts]).toEqual(['end', 'end', { starts: 1, ends: 1 }]);
});

test('a failure ends it, and only the first hears of it', async () => {
  const { arrive, next, counts } = streamOf();
  const failed = expect(next()).rejects.toThrow('refused');
  const behind = next();
  await Promise.resolve();
  arrive(new Error('refused'));
  await failed;
  expect([await behind, await next(), counts.ends]).toEqual(['end', 'end', 1]);
});
