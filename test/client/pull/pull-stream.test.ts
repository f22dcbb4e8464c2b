import { expect, onTestFinished, test, vi } from 'vitest';
import type { PullReceipt } from '../../../src/client/receipt.ts';
import { stalledLooks, UnreadBytes } from '../../../src/client/unread-bytes.ts';
import { startPullClient } from '../../support/pull-client.ts';
import { soon } from '../../support/real-client.ts';
import { StreamReader } from '../../support/stream-reader.ts';

test('hands out so many messages as may be without an ack, says that it stops, and goes on after an ack', async () => {
  const { open, send } = await startPullClient();
  const consumer = await open('g', 'topic');
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  let pausedCount = 0;
  const onPaused = (): void => {
    pausedCount += 1;
  };
  await send('topic', '0', '1', '2');
  const stream = consumer.stream({ messagesMax: 2, signal: ending.signal, onPaused });
  const [one, two] = [await stream.next(), await stream.next()];
  const third = stream.next();
  await vi.waitUntil(() => pausedCount === 1, 20_000);
  expect(consumer.inFlightCount).toBe(2);
  if (one.done !== true) await consumer.ack(one.value.receipt);
  expect(await third).toMatchObject({ done: false });
  expect(two.done).toBe(false);
  expect([consumer.inFlightCount, pausedCount]).toEqual([2, 1]);
});

test('several streams take turns, and what one leaves the others get', async () => {
  const { open, send } = await startPullClient();
  await send('topic', 'first');
  const consumer = await open('g', 'topic');
  const readers = [new StreamReader<PullReceipt>(consumer), new StreamReader<PullReceipt>(consumer)] as const;
  for (let number = 0; number < 10; number += 1) {
    await send('topic', String(number));
    await vi.waitUntil(() => readers[0].bodies.length + readers[1].bodies.length === number + 2, { timeout: 10_000 });
  }
  for (const { bodies } of readers) expect(bodies.length).toBeGreaterThanOrEqual(5);
  await readers[0].stop();
  await readers[1].count(11);
  for (const { receipt } of readers[1].messages) await consumer.nack(receipt, 60_000, soon());
  await readers[1].stop();
});

test('compressed messages come each once, also between others and where it is tried to take them without waiting', async () => {
  const { open, send } = await startPullClient({ compression: { type: 'zlib', overBytes: 100 } });
  const consumer = await open('g', 'topic');
  const isLong = (number: number): boolean => number !== 2 && number !== 4;
  const numbers = [0, 1, 2, 3, 4, 5, 6];
  await send('topic', ...numbers.map((number) => String(number).repeat(isLong(number) ? 1_000 : 1)));
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const stream = consumer.stream({ messagesMax: 10, signal: ending.signal });
  const came: string[] = [];
  while (came.length < numbers.length) {
    const message = stream.takeNow() ?? stream.takeNow() ?? (await stream.next()).value;
    if (message !== undefined)
      came.push(`${message.body.toString()[0]} ${message.body.length} ${message.reconsumeTimes}`);
  }
  expect(came.toSorted()).toEqual(numbers.map((number) => `${number} ${isLong(number) ? 1_000 : 1} 0`));
});

test('what its reader was given counts until it is read, unpacked too; a reader that stands still is pulled nothing for', async () => {
  const unreadBytes = new UnreadBytes(10_000_000);
  const { open, send } = await startPullClient({ compression: { type: 'zlib', overBytes: 100 }, unreadBytes });
  const consumer = await open('g', 'topic');
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const unread = unreadBytes.open(ending.signal, () => {});
  const stream = consumer.stream({ messagesMax: 10, signal: ending.signal, unread });
  for (const length of [10, 1_000]) {
    await send('topic', 'x'.repeat(length));
    expect((await stream.next()).value?.body.length).toBe(length);
    // The first pulls of the other queues have room made for them.
    await vi.waitUntil(() => unreadBytes.bytes === length, 20_000);
    expect(unread.isReading).toBe(true);
    unread.read();
    expect([unreadBytes.bytes, unread.isReading]).toEqual([0, false]);
  }
  await send('topic', 'last');
  await stream.next();
  for (let count = 0; count < stalledLooks; count += 1) unread.look();
  await send('topic', 'unread');
  expect(stream.takeNow()).toBeUndefined();
  unread.read();
  expect((await stream.next()).value?.body.toString()).toBe('unread');
  await consumer.close();
  ending.abort();
  expect(unreadBytes.bytes).toBe(0);
});
