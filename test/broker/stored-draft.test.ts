import { expect, test } from 'vitest';
import { draftOf, messageOf, readMessage, realPlaceOf, withRealPlace } from '../../src/broker/stored-draft.ts';
import { encodeBatch } from '../../src/remoting/message-batch.ts';
import { bodyCrcOf, encodeStoredMessage } from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { order } from '../support/started-engine.ts';

function recordOf(draft: ReturnType<typeof order>): Buffer {
  return encodeStoredMessage({
    ...draft,
    queueOffset: 3n,
    commitLogOffset: 500n,
    storeTimestampMs: 1,
    storeHost: '127.0.0.1:10911',
    preparedTransactionOffset: 0n,
    bodyCrc: bodyCrcOf(draft.body),
  });
}

test('a stored message can be stored again as it is, or changed', () => {
  const draft = { ...order({ TAGS: 'a' }), sysFlag: SysFlag.COMPRESSED, reconsumeTimes: 2 };
  const message = readMessage({ read: (offset) => (offset === 500 ? recordOf(draft) : undefined) }, 500);
  if (message === undefined) throw new Error('no message');
  expect(draftOf(message, {})).toEqual(draft);
  expect(draftOf(message, { topic: 'o', replaces: 9 })).toEqual({ ...draft, topic: 'o', replaces: 9 });
});

test('there is no message where nothing is stored, in damaged bytes, and in a batch kept as one', () => {
  expect(readMessage({ read: () => undefined }, 1)).toBeUndefined();
  const damaged = recordOf(order());
  damaged.writeInt32BE(1, 8);
  expect(messageOf(damaged)).toBeUndefined();
  const one = { flag: 0, body: Buffer.from('x'), properties: new Map<string, string>() };
  const batch = { ...order(), sysFlag: SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH, body: encodeBatch([one, one]) };
  expect(messageOf(recordOf(batch))).toBeUndefined();
});

test('a message that waits elsewhere says where it belongs', () => {
  const draft = order({ REAL_TOPIC: 'old', TAGS: 'a' });
  const waiting = withRealPlace(draft, { topic: 'inner', queueId: 4 });
  expect(waiting).toMatchObject({ topic: 'inner', queueId: 4 });
  expect(realPlaceOf(waiting)).toEqual({ topic: 'orders', queueId: 1 });
  expect(waiting.properties.get('TAGS')).toBe('a');
  expect(draft.properties.get('REAL_TOPIC')).toBe('old');
});

test.each([{}, { REAL_TOPIC: 't' }, { REAL_TOPIC: 't', REAL_QID: '-1' }, { REAL_TOPIC: 't', REAL_QID: '9999999999' }])(
  '%o says nothing of a place',
  (properties) => {
    expect(realPlaceOf(order(properties))).toBeUndefined();
  },
);
