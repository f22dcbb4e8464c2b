import { expect, test } from 'vitest';
import { InFlightMessages, receiptKey } from '../../../src/client/pop/in-flight-messages.ts';
import { LiveStreams } from '../../../src/client/pop/live-streams.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';

const receipt = (queueOffset: bigint): PopReceipt => ({
  startOffset: 0n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 30_000,
  reviveQueueId: 0,
  retry: '0',
  brokerName: 'broker-a',
  queueId: 0,
  queueOffset,
});

const inFlight = (...offsets: readonly bigint[]): InFlightMessages => {
  const messages = new InFlightMessages(10);
  for (const offset of offsets) messages.add(receipt(offset), performance.now() + 30_000);
  return messages;
};

const subscriber = { group: 'g', topic: 't' };

test('a message is found in whichever stream of its subscriber has it, while that lives', () => {
  const streams = new LiveStreams();
  const [one, other] = [inFlight(1n), inFlight(2n)];
  const forgetOne = streams.add(subscriber, one);
  const forgetOther = streams.add({ ...subscriber }, other);
  expect(streams.find(subscriber, receiptKey(receipt(1n)))?.owner).toBe(one);
  expect(streams.find(subscriber, receiptKey(receipt(2n)))?.owner).toBe(other);
  expect(streams.find(subscriber, receiptKey(receipt(3n)))).toBeUndefined();
  forgetOne();
  expect(streams.find(subscriber, receiptKey(receipt(1n)))).toBeUndefined();
  expect(streams.find(subscriber, receiptKey(receipt(2n)))?.owner).toBe(other);
  forgetOther();
  forgetOther();
  expect(streams.find(subscriber, receiptKey(receipt(2n)))).toBeUndefined();
});

test('a receipt of another group or topic is another message', () => {
  const streams = new LiveStreams();
  streams.add(subscriber, inFlight(1n));
  expect(streams.find({ ...subscriber, group: 'h' }, receiptKey(receipt(1n)))).toBeUndefined();
  expect(streams.find({ ...subscriber, topic: 'u' }, receiptKey(receipt(1n)))).toBeUndefined();
});

test('a subscriber that comes back is one again', () => {
  const streams = new LiveStreams();
  const forget = streams.add(subscriber, inFlight(1n));
  forget();
  const later = inFlight(1n);
  streams.add(subscriber, later);
  forget();
  expect(streams.find(subscriber, receiptKey(receipt(1n)))?.owner).toBe(later);
});
