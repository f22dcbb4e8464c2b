import { expect, test } from 'vitest';
import { trailerBytes } from '../../../src/broker/store/record-cursor.ts';
import { ownDraft, WriteBuffer } from '../../../src/broker/store/write-buffer.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { draft, storeHost } from './support.ts';

test('records stand behind each other with room for their trailers', () => {
  const buffer = new WriteBuffer(storeHost);
  const first = buffer.add(
    draft({ body: Buffer.from('one'), replaces: 2 ** 40, queueId: 9, flag: 3, reconsumeTimes: 4 }),
  );
  const large = buffer.add(draft({ body: Buffer.alloc(200_000, 7) }));
  expect(first).toMatchObject({ topic: 'orders', queueId: 9, replaces: 2 ** 40, start: 0 });
  expect(large.start).toBe(first.size + trailerBytes);
  expect(buffer.length).toBe(large.start + large.size + trailerBytes);
  const read = ({ start, size }: typeof first) => decodeStoredMessages(buffer.bytes.subarray(start, start + size))[0];
  expect(read(first)).toMatchObject({
    topic: 'orders',
    queueId: 9,
    flag: 3,
    reconsumeTimes: 4,
    preparedTransactionOffset: 2n ** 40n,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:50000',
    storeHost,
    properties: new Map([['UNIQ_KEY', '7F0000010001']]),
  });
  expect(read(large)?.body.equals(Buffer.alloc(200_000, 7))).toBe(true);
});

test('what has no encoding adds nothing; what is taken back leaves its room', () => {
  const buffer = new WriteBuffer(storeHost);
  const { size } = buffer.add(draft());
  const length = size + trailerBytes;
  for (const wrong of [
    { queueId: 2 ** 31 },
    { bornHost: 'localhost:1' },
    { replaces: 0.5 },
    { topic: 'x'.repeat(32_768) },
  ]) {
    expect(() => buffer.add(draft(wrong))).toThrow();
  }
  expect(buffer.length).toBe(length);
  buffer.add(draft());
  buffer.cut(length);
  expect(buffer.add(draft()).start).toBe(length);
});

test('a buffer that has grown large is given back', () => {
  const buffer = new WriteBuffer(storeHost);
  const small = buffer.bytes.length;
  buffer.add(draft({ body: Buffer.alloc(1_000_000) }));
  buffer.clear();
  expect([buffer.length, buffer.bytes.length > 1_000_000]).toEqual([0, true]);
  for (let count = 0; count < 5; count += 1) buffer.add(draft({ body: Buffer.alloc(1_000_000) }));
  buffer.clear();
  expect(buffer.bytes.length).toBe(small);
});

test('records of the store itself come from its own address', () => {
  expect(ownDraft('t', Buffer.from('b'), 5, storeHost)).toMatchObject({
    topic: 't',
    bornHost: storeHost,
    bornTimestampMs: 5,
  });
});
