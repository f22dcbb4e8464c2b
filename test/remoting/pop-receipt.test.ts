import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import {
  decodePopReceipt,
  encodePopReceipt,
  type PopReceipt,
  type PopReply,
  popReceipts,
  popReconsumeTimes,
} from '../../src/remoting/pop-receipt.ts';
import type { StoredMessage } from '../../src/remoting/stored-message.ts';

const receipt: PopReceipt = {
  startOffset: 100n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 60_000,
  reviveQueueId: 3,
  retry: '0',
  brokerName: 'broker-a',
  queueId: 2,
  queueOffset: 105n,
};

// ExtraInfoUtil.buildExtraInfo of rocketmq-remoting 5.5.0 for a normal topic, %RETRY%g_topic and %RETRY%g+topic.
const textByJava = '100 1700000000000 60000 3 0 broker-a 2 105';

function stored(change: Partial<StoredMessage>): StoredMessage {
  return {
    topic: 'topic',
    queueId: 2,
    queueOffset: 105n,
    commitLogOffset: 0n,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: '127.0.0.1:1',
    storeTimestampMs: 0,
    storeHost: '127.0.0.1:1',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0n,
    bodyCrc: 0,
    body: Buffer.alloc(0),
    properties: new Map(),
    ...change,
  };
}

describe('encodePopReceipt and decodePopReceipt', () => {
  test.each(['0', '1', '2'] as const)('kind %s is what Java writes', (retry) => {
    const text = textByJava.replace(' 0 ', ` ${retry} `);
    expect(encodePopReceipt({ ...receipt, retry })).toBe(text);
    expect(decodePopReceipt(text)).toEqual({ ...receipt, retry });
  });

  test('give back any receipt', () => {
    const int64 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    const int32 = fc.nat(0x7fff_ffff);
    const any: fc.Arbitrary<PopReceipt> = fc.record({
      startOffset: int64,
      popTimeMs: fc.maxSafeNat(),
      invisibleDurationMs: fc.maxSafeInteger(),
      reviveQueueId: int32,
      retry: fc.constantFrom('0', '1', '2'),
      brokerName: fc.stringMatching(/^[a-zA-Z0-9_.-]{1,20}$/),
      queueId: int32,
      queueOffset: int64,
    });
    fc.assert(
      fc.property(any, (each) => {
        expect(decodePopReceipt(encodePopReceipt(each))).toEqual(each);
      }),
    );
  });

  test.each([
    '',
    ' ',
    '100 1700000000000 60000 3 0 broker-a 2',
    `${textByJava} 9`,
    `${textByJava} `,
    ` ${textByJava}`,
    textByJava.replaceAll(' ', '  '),
    textByJava.replace('broker-a', ''),
    textByJava.replace(' 0 ', ' 3 '),
    textByJava.replace(' 0 ', '  '),
    textByJava.replace('100', '-100'),
    textByJava.replace('100', '0100'),
    textByJava.replace('100', '+100'),
    textByJava.replace('100', '1e2'),
    textByJava.replace('100', '0x1'),
    textByJava.replace('100', ''),
    textByJava.replace('100', '9223372036854775808'),
    textByJava.replace('105', '105\n'),
    textByJava.replace('1700000000000', '9007199254740992'),
    textByJava.replace('60000', '--1'),
    textByJava.replace('60000', '-0'),
    textByJava.replace('60000', '-'),
    textByJava.replace(' 3 ', ' 2147483648 '),
    textByJava.replace(' 2 ', ' 2147483648 '),
    textByJava.replace(' 2 ', ' 1.5 '),
  ])('refuse %j', (text) => {
    expect(() => decodePopReceipt(text)).toThrow(RemotingError);
  });

  test('refuse any other text with a RemotingError, or read it exactly', () => {
    const unit = fc.constantFrom(...'0123456789 -ab'.split(''));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        try {
          expect(encodePopReceipt(decodePopReceipt(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(RemotingError);
        }
      }),
    );
  });
});

describe('popReceipts', () => {
  // Offset lists as ExtraInfoUtil of rocketmq-remoting 5.5.0 builds them.
  const reply: PopReply = {
    popTimeMs: receipt.popTimeMs,
    invisibleDurationMs: receipt.invisibleDurationMs,
    reviveQueueId: receipt.reviveQueueId,
    startOffsetInfo: '0 2 100;0 3 7;1 2 50;2 0 60',
    msgOffsetInfo: '0 2 100,101,105;0 3 7;1 2 50;2 0 61,62',
    orderCountInfo: '',
  };

  test('one for each message, in the order of the messages', () => {
    const messages = [
      stored({ queueId: 3, queueOffset: 7n }),
      stored({ queueOffset: 105n }),
      stored({ queueOffset: 100n }),
    ];
    expect(popReceipts(reply, 'broker-a', messages)).toEqual([
      { ...receipt, startOffset: 7n, queueId: 3, queueOffset: 7n },
      receipt,
      { ...receipt, queueOffset: 100n },
    ]);
  });

  test('messages with the name of a retry topic are looked up under its kind', () => {
    const messages = [
      stored({ topic: '%RETRY%g_topic', queueId: 2, queueOffset: 50n }),
      stored({ topic: '%RETRY%g+topic', queueId: 0, queueOffset: 62n }),
    ];
    expect(popReceipts(reply, 'broker-a', messages)).toEqual([
      { ...receipt, startOffset: 50n, retry: '1', queueOffset: 50n },
      { ...receipt, startOffset: 60n, retry: '2', queueId: 0, queueOffset: 62n },
    ]);
  });

  test('a retried message with the normal name is found by what the broker put on it', () => {
    const own = '50 1700000000000 60000 0 1 broker-a 2 50';
    const messages = [stored({ queueOffset: 50n, properties: new Map([['POP_CK', own]]) }), stored({})];
    expect(popReceipts(reply, 'broker-a', messages)).toEqual([
      { ...receipt, startOffset: 50n, retry: '1', queueOffset: 50n },
      receipt,
    ]);
  });

  test.each([
    ['is no receipt', 'x'],
    ['is of another POP', '100 1600000000000 60000 3 1 broker-a 2 105'],
    ['is of another queue', '100 1700000000000 60000 3 1 broker-a 1 105'],
    ['is of another message', '100 1700000000000 60000 3 1 broker-a 2 104'],
  ])('a receipt that a producer put into a message counts for nothing when it %s', (_, forged) => {
    const messages = [stored({ properties: new Map([['POP_CK', forged]]) })];
    expect(popReceipts(reply, 'broker-a', messages)).toEqual([receipt]);
  });

  describe('where the lists go with the messages one by one', () => {
    // Seen on 5.5.0: retry topic first, then the normal one, both with one queue.
    const both: PopReply = { ...reply, startOffsetInfo: '1 0 1;0 0 3', msgOffsetInfo: '1 0 1,3;0 0 3,4' };
    const retried = (queueOffset: bigint, ck: string) =>
      stored({ queueId: 0, queueOffset, properties: new Map([['POP_CK', ck]]) });
    const expected = [
      { ...receipt, retry: '1', startOffset: 1n, queueId: 0, queueOffset: 1n },
      { ...receipt, retry: '1', startOffset: 1n, queueId: 0, queueOffset: 3n },
      { ...receipt, retry: '0', startOffset: 3n, queueId: 0, queueOffset: 3n },
      { ...receipt, retry: '0', startOffset: 3n, queueId: 0, queueOffset: 4n },
    ];
    const first = retried(1n, '1 1700000000000 60000 3 1 broker-a 0 1');

    test('equal offsets of two topics are told apart', () => {
      const second = retried(3n, '1 1700000000000 60000 3 1 broker-a 0 3');
      const messages = [
        first,
        second,
        stored({ queueId: 0, queueOffset: 3n }),
        stored({ queueId: 0, queueOffset: 4n }),
      ];
      expect(popReceipts(both, 'broker-a', messages)).toEqual(expected);
    });

    test('even for a retried message whose own receipt a producer forged, which brokers leave in place', () => {
      const second = retried(3n, '1 2 3 4 0 x 0 9');
      const messages = [
        first,
        second,
        stored({ queueId: 0, queueOffset: 3n }),
        stored({ queueId: 0, queueOffset: 4n }),
      ];
      expect(popReceipts(both, 'broker-a', messages)).toEqual(expected);
    });

    // Seen on 5.5.0 after a send with sysFlag 16 from an IPv4 host: stored, lost, and all later messages carry greater offsets.
    test('the listed offset counts, where the one inside the message has run ahead', () => {
      const drifted: PopReply = { ...reply, startOffsetInfo: '0 0 3', msgOffsetInfo: '0 0 3,4' };
      const messages = [stored({ queueId: 0, queueOffset: 3n }), stored({ queueId: 0, queueOffset: 6n })];
      expect(popReceipts(drifted, 'broker-a', messages).map(({ queueOffset }) => queueOffset)).toEqual([3n, 4n]);
    });

    test('messages in another order than the lists are found by their own offsets', () => {
      const second = retried(3n, '1 1700000000000 60000 3 1 broker-a 0 3');
      const messages = [
        stored({ queueId: 0, queueOffset: 3n }),
        stored({ queueId: 0, queueOffset: 4n }),
        first,
        second,
      ];
      expect(popReceipts(both, 'broker-a', messages)).toEqual([...expected.slice(2), ...expected.slice(0, 2)]);
    });

    test('a message that is missing, because it was damaged, moves no other', () => {
      const messages = [first, stored({ queueId: 0, queueOffset: 3n }), stored({ queueId: 0, queueOffset: 4n })];
      expect(popReceipts(both, 'broker-a', messages)).toEqual([expected[0], expected[2], expected[3]]);
    });
  });

  test.each<[string, PopReply]>([
    ['an offset that is not listed', { ...reply, msgOffsetInfo: '0 2 100,101' }],
    ['a queue without offsets', { ...reply, msgOffsetInfo: '0 3 105' }],
    ['a queue without a start', { ...reply, startOffsetInfo: '0 3 100' }],
    ['no lists', { ...reply, startOffsetInfo: undefined, msgOffsetInfo: undefined }],
    ['empty lists', { ...reply, startOffsetInfo: '', msgOffsetInfo: '' }],
    ['a start that is no number', { ...reply, startOffsetInfo: '0 2 -1' }],
    ['a queue listed twice', { ...reply, startOffsetInfo: '0 2 100;0 2 100' }],
    ['an entry of two parts', { ...reply, startOffsetInfo: '0 2 100;0' }],
    ['an entry of four parts', { ...reply, msgOffsetInfo: '0 2 105 1' }],
    ['an empty entry', { ...reply, msgOffsetInfo: '0 2 105;' }],
    ['a kind that there is not', { ...reply, startOffsetInfo: '3 2 105', msgOffsetInfo: '3 2 105' }],
    ['a queue that is no number', { ...reply, startOffsetInfo: '0 x 105', msgOffsetInfo: '0 x 105' }],
    ['an offset that is no number', { ...reply, msgOffsetInfo: '0 2 105,' }],
    ['a list without an end', { ...reply, msgOffsetInfo: `0 2 105${',105'.repeat(20_000)}` }],
    ['no time of the POP', { ...reply, popTimeMs: undefined }],
    ['no invisible duration', { ...reply, invisibleDurationMs: undefined }],
    ['no revive queue', { ...reply, reviveQueueId: undefined }],
  ])('%s is malformed', (_, bad) => {
    expect(() => popReceipts(bad, 'broker-a', [stored({})])).toThrow(RemotingError);
  });
});

describe('popReconsumeTimes', () => {
  const reply: PopReply = { orderCountInfo: '0 2 1;0 qo2%105 4;0 3 0;0 qo2%106 0' };

  const at = (queueId: number, queueOffset: bigint) => ({ ...receipt, queueId, queueOffset });

  test('the count of the offset comes before the one of its queue', () => {
    const messages = [stored({ queueOffset: 105n }), stored({ queueOffset: 104n })];
    expect(popReconsumeTimes(reply, messages, [at(2, 105n), at(2, 104n)])).toEqual([4, 1]);
  });

  test("the message's own stays where the broker counts none", () => {
    const messages = [
      stored({ queueId: 3, reconsumeTimes: 2 }),
      stored({ queueId: 4, reconsumeTimes: 5 }),
      stored({ queueOffset: 106n, reconsumeTimes: 7 }),
      stored({ topic: '%RETRY%g_topic', reconsumeTimes: 6 }),
    ];
    const receipts = [at(3, 105n), at(4, 105n), at(2, 106n), { ...at(2, 105n), retry: '1' as const }];
    expect(popReconsumeTimes(reply, messages, receipts)).toEqual([2, 5, 7, 6]);
    expect(popReconsumeTimes({}, messages, receipts)).toEqual([2, 5, 7, 6]);
  });

  test.each(['0 2 x', '0 2 -1', '0 2 2147483648', '0 2', ';'])('%j is malformed', (orderCountInfo) => {
    expect(() => popReconsumeTimes({ orderCountInfo }, [stored({})], [receipt])).toThrow(RemotingError);
  });
});
