import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { decompressBody } from '../../src/remoting/compression.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import { decodePopReceipt, encodePopReceipt, popReceipts, popReconsumeTimes } from '../../src/remoting/pop-receipt.ts';
import { popMessage } from '../../src/remoting/requests/pop-message.ts';
import { decodeStoredMessages, encodeStoredMessage } from '../../src/remoting/stored-message.ts';
import { fixture } from '../fixtures/fixture.ts';

// What each file holds: test/fixtures/README.md. Times, ports, commit log offsets and generated ids differ with each capture.

/** The one command of a captured frame. */
function captured(name: string): Command {
  const [frame, ...more] = new FrameDecoder().push(fixture(name));
  if (frame === undefined || more.length > 0) throw new Error(`${name} does not hold one frame`);
  return decodeCommand(frame);
}

/** What a client makes of the reply to a POP. */
function popped(name: string) {
  const command = captured(name);
  const reply = popMessage.decodeReply(command, 'broker');
  const messages = decodeStoredMessages(command.body);
  return { reply, messages, receipts: popReceipts(reply, 'broker-a', messages) };
}

const withMessages = [
  'pull-4.9.7',
  'pull-5.5.0',
  'pop-5.5.0',
  'pop-order-5.5.0',
  'pop-order-again-5.5.0',
  'pop-redelivery-5.5.0',
  'pop-redelivery-long-5.5.0',
  'check-transaction-4.9.7',
  'check-transaction-5.5.0',
];

describe.each(withMessages)('%s', (name) => {
  const { body } = captured(name);

  test('is read whole, and written again reads the same', () => {
    const messages = decodeStoredMessages(body);
    expect(messages.length).toBeGreaterThan(0);
    expect(decodeStoredMessages(Buffer.concat(messages.map(encodeStoredMessage)))).toEqual(messages);
  });

  test('a cut anywhere but between messages is malformed', () => {
    const ends = new Set<number>();
    for (let end = body.readInt32BE(0); end < body.length; end += body.readInt32BE(end)) ends.add(end);
    for (let end = 1; end < body.length; end += 1) {
      if (ends.has(end)) expect(decodeStoredMessages(body.subarray(0, end)).length).toBeGreaterThan(0);
      else expect(() => decodeStoredMessages(body.subarray(0, end))).toThrow(RemotingError);
    }
  });
});

describe.each(['4.9.7', '5.5.0'])('messages pulled from %s', (version) => {
  const messages = decodeStoredMessages(captured(`pull-${version}`).body);

  test('have the bodies that were sent', async () => {
    const bodies = await Promise.all(messages.map((message) => decompressBody(message, 4_194_304)));
    expect(bodies.map(String)).toEqual([
      'plain',
      'tagged',
      'Grüße 你好 🚀',
      'compress me '.repeat(100),
      'empty property',
      '',
    ]);
  });

  test('have the properties that were sent, and no empty one', () => {
    expect(Object.fromEntries(messages[1]?.properties ?? [])).toMatchObject({
      TAGS: 'TagA',
      KEYS: 'k1 k2',
      UNIQ_KEY: '7F0000010001000000000000000000A1',
    });
    expect(Object.fromEntries(messages[2]?.properties ?? [])).toMatchObject({
      city: 'Zürich',
      名前: '値',
      rocket: '🚀',
    });
    expect(messages[4]?.properties.get('TAGS')).toBe('TagB');
    expect(messages[4]?.properties.has('empty')).toBe(false);
  });

  test('have their place, their flags and the addresses of both sides', () => {
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
    expect(messages.map(({ flag }) => flag)).toEqual([0, 7, 0, 0, 0, 0]);
    for (const message of messages) {
      expect(message).toMatchObject({ topic: 'fixture-pull', queueId: 0, reconsumeTimes: 0 });
      expect(message.bornHost).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(message.storeHost).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(message.storeTimestampMs - message.bornTimestampMs).toBeLessThan(10_000);
      expect(message.bodyCrc).toBeGreaterThan(0);
    }
  });
});

describe.each(['4.9.7', '5.5.0'])('the check of a transaction by %s', (version) => {
  const { body, extFields } = captured(`check-transaction-${version}`);

  test('carries the half message under its real topic', () => {
    const [half, ...more] = decodeStoredMessages(body);
    expect(more).toEqual([]);
    expect(half).toMatchObject({ topic: 'fixture-transaction', body: Buffer.from('half') });
    expect(Object.fromEntries(half?.properties ?? [])).toMatchObject({
      UNIQ_KEY: '7F0000010001000000000000000000B1',
      PGROUP: 'PID_fixture',
      TRAN_MSG: 'true',
    });
  });

  test('names its place in the commit log, and so does its id', () => {
    const [half] = decodeStoredMessages(body);
    expect(String(half?.commitLogOffset)).toBe(extFields['commitLogOffset']);
    expect(decodeOffsetMessageId(extFields['offsetMsgId'] ?? '')).toEqual({
      storeHost: half?.storeHost,
      commitLogOffset: half?.commitLogOffset,
    });
  });
});

describe.each(['4.9.7', '5.5.0'])('the reply to a send by %s', (version) => {
  test('has one id that can be read, and one for each message of a batch', () => {
    const id = captured(`send-${version}`).extFields['msgId'] ?? '';
    const ids = captured(`send-batch-${version}`).extFields['msgId']?.split(',') ?? [];
    const { storeHost } = decodeOffsetMessageId(id);
    expect(ids).toHaveLength(2);
    for (const each of ids) expect(decodeOffsetMessageId(each).storeHost).toBe(storeHost);
  });
});

describe('POP from 5.5.0', () => {
  test('messages of several queues have one receipt each', () => {
    const { reply, messages, receipts } = popped('pop-5.5.0');
    expect(messages.map(({ body }) => String(body)).sort()).toEqual([
      'first of 0',
      'first of 1',
      'first of 2',
      'second of 0',
      'second of 1',
      'second of 2',
    ]);
    expect(receipts).toEqual(
      messages.map(({ queueId, queueOffset }) => ({
        startOffset: 0n,
        popTimeMs: reply.popTimeMs,
        invisibleDurationMs: 60_000,
        reviveQueueId: reply.reviveQueueId,
        retry: '0',
        brokerName: 'broker-a',
        queueId,
        queueOffset,
      })),
    );
    for (const receipt of receipts) expect(decodePopReceipt(encodePopReceipt(receipt))).toEqual(receipt);
  });

  test.each([
    ['pop-redelivery-5.5.0', 'fixture-pop-retry', 'again'],
    ['pop-redelivery-long-5.5.0', 'fixture-pop-long', 'long'],
  ])('%s: the receipt is the one that the broker wrote itself', (name, topic, body) => {
    const { messages, receipts } = popped(name);
    expect(messages).toMatchObject([{ topic, body: Buffer.from(body), reconsumeTimes: 1 }]);
    expect(receipts.map(encodePopReceipt)).toEqual([messages[0]?.properties.get('POP_CK')]);
    expect(receipts[0]?.retry).toBe('1');
  });

  test.each([
    ['pop-order-5.5.0', [0, 0]],
    ['pop-order-again-5.5.0', [1, 1]],
  ])('%s: messages know how often they came before', (name, times) => {
    const { reply, messages, receipts } = popped(name);
    expect(messages.map(({ body }) => String(body))).toEqual(['a', 'b']);
    expect(receipts.map(({ reviveQueueId }) => reviveQueueId)).toEqual([999, 999]);
    expect(popReconsumeTimes(reply, messages, receipts)).toEqual(times);
  });

  test('a reply without messages has no receipts', () => {
    expect(popped('pop-timeout-5.5.0').receipts).toEqual([]);
  });
});
