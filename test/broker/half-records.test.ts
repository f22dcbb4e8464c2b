import { describe, expect, test } from 'vitest';
import {
  checkContent,
  committedDraft,
  endedBy,
  endedByOutcome,
  givenUpDraft,
  halfDraft,
  immunityMsOf,
  requireHalf,
  rollbackDraft,
} from '../../src/broker/half-records.ts';
import type { MessageDraft } from '../../src/broker/store/message-store.ts';
import { encodeProperties, propertiesBytesMax } from '../../src/remoting/message-properties.ts';
import {
  bodyCrcOf,
  decodeStoredMessages,
  encodeStoredMessage,
  type StoredMessage,
} from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { order } from '../support/started-engine.ts';

const sent = {
  ...order({ PGROUP: 'buyers', TRAN_MSG: 'true', TAGS: 'a' }),
  sysFlag: SysFlag.TRANSACTION_PREPARED | SysFlag.COMPRESSED,
};

function stored({ replaces: _none, ...draft }: MessageDraft): StoredMessage {
  return {
    ...draft,
    queueOffset: 3n,
    commitLogOffset: 500n,
    storeTimestampMs: 1_700_000_000_005,
    storeHost: '127.0.0.1:10911',
    preparedTransactionOffset: 0n,
    bodyCrc: bodyCrcOf(draft.body),
  };
}

test('a half message is what Java makes of it', () => {
  const half = halfDraft(sent);
  expect(half).toMatchObject({ topic: 'RMQ_SYS_TRANS_HALF_TOPIC', queueId: 0, sysFlag: SysFlag.COMPRESSED, flag: 7 });
  expect(Object.fromEntries(half.properties)).toEqual({
    UNIQ_KEY: '7F0000010001',
    PGROUP: 'buyers',
    TRAN_MSG: 'true',
    TAGS: 'a',
    REAL_TOPIC: 'orders',
    REAL_QID: '1',
    __transactionId__: '7F0000010001',
  });
});

test.each([order({ TRAN_MSG: 'true' }), order({ TRAN_MSG: 'true', PGROUP: '' })])(
  'one without a producer group is refused: nobody could be asked',
  (draft) => {
    expect(() => halfDraft(draft)).toThrow(expect.objectContaining({ code: 13 }));
  },
);

test('a committed one is the message that was sent, marked as committed, in place of the half message', () => {
  const committed = committedDraft(stored(halfDraft(sent)));
  expect(committed).toMatchObject({
    topic: 'orders',
    queueId: 1,
    flag: 7,
    sysFlag: SysFlag.TRANSACTION_COMMIT | SysFlag.COMPRESSED,
    body: sent.body,
    bornHost: '127.0.0.1:50000',
    replaces: 500,
  });
  expect(Object.fromEntries(committed?.properties ?? [])).toEqual({
    ...Object.fromEntries(sent.properties),
    __transactionId__: '7F0000010001',
  });
});

test('the records that end others say which they end, and how', () => {
  const half = stored(halfDraft(sent));
  const rollback = rollbackDraft(half);
  expect(rollback).toMatchObject({ topic: 'RMQ_SYS_TRANS_OP_HALF_TOPIC', queueId: 0, replaces: 500, sysFlag: 0 });
  expect(rollback.body.toString()).toBe('3');
  const givenUp = givenUpDraft(half);
  expect(givenUp).toMatchObject({ topic: 'TRANS_CHECK_MAX_TIME_TOPIC', queueId: 0, replaces: 500, body: sent.body });
  expect(givenUp.properties.get('REAL_TOPIC')).toBe('orders');
  expect([rollback.topic, givenUp.topic, 'orders'].map(endedBy)).toEqual(['rolled back', 'given up', 'committed']);
  expect([8, 12, 0].map(endedByOutcome)).toEqual(['committed', 'rolled back', undefined]);
  expect(() => endedByOutcome(4)).toThrow(expect.objectContaining({ code: 29 }));
});

test.each([
  [undefined, 6_000],
  ['', 6_000],
  ['5', 6_000],
  ['6', 6_000],
  ['7', 7_000],
  ['-1', 6_000],
  ['soon', 6_000],
])('an immunity of %s s is one of %i ms', (text, immunityMs) => {
  const draft = order(text === undefined ? {} : { CHECK_IMMUNITY_TIME_IN_SECONDS: text });
  expect(immunityMsOf(draft, 6_000)).toBe(immunityMs);
});

describe('a check', () => {
  const check = { offsetMessageId: '7F000001', brokerName: 'broker-a', checkCount: 2 };

  test('has the fields that Java writes, and the message as it was sent', () => {
    const half = stored(halfDraft(sent));
    const content = checkContent(half, check);
    expect(content.code).toBe(39);
    expect({ ...content.extFields }).toEqual({
      tranStateTableOffset: '3',
      commitLogOffset: '500',
      msgId: '7F0000010001',
      transactionId: '7F0000010001',
      offsetMsgId: '7F000001',
      topic: 'RMQ_SYS_TRANS_HALF_TOPIC',
      bname: 'broker-a',
    });
    expect(decodeStoredMessages(Buffer.from(content.body ?? []))).toEqual([
      {
        ...half,
        topic: 'orders',
        queueId: 1,
        properties: new Map([...half.properties, ['TRANSACTION_CHECK_TIMES', '2']]),
      },
    ]);
  });

  test('leaves out how often it was asked where there is no room for it', () => {
    const short = halfDraft(order({ PGROUP: 'buyers', padding: '' }));
    const room = propertiesBytesMax - encodeProperties(short.properties).length - 'padding'.length - 2;
    const draft = halfDraft(order({ PGROUP: 'buyers', padding: 'x'.repeat(room) }));
    const half = stored(draft);
    const [message] = decodeStoredMessages(Buffer.from(checkContent(half, check).body ?? []));
    expect(message?.properties.size).toBe(draft.properties.size);
    expect(message?.properties.has('TRANSACTION_CHECK_TIMES')).toBe(false);
    expect(() =>
      encodeStoredMessage({ ...half, properties: new Map([...half.properties, ['TRANSACTION_CHECK_TIMES', '2']]) }),
    ).toThrow('the properties of a message take');
  });
});

test('an end names a half message of its group, and its place in both logs', () => {
  const record = encodeStoredMessage(stored(halfDraft(sent)));
  const other = encodeStoredMessage(stored(order({ PGROUP: 'buyers' })));
  const store = {
    read: (offset: number) => new Map([500, 600].map((at, n) => [at, n === 0 ? record : other])).get(offset),
  };
  const end = { producerGroup: 'buyers', commitLogOffset: 500, queueOffset: 3, outcome: 8 };
  expect(requireHalf(store, end).body.toString()).toBe('order');
  for (const wrong of [
    { commitLogOffset: 501 },
    { commitLogOffset: 600 },
    { producerGroup: 'b' },
    { queueOffset: 4 },
  ]) {
    expect(() => requireHalf(store, { ...end, ...wrong })).toThrow(expect.objectContaining({ code: 1 }));
  }
});
