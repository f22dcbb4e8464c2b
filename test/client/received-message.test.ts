import { describe, expect, test } from 'vitest';
import { offsetMessageId, toReceivedMessage } from '../../src/client/received-message.ts';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import type { StoredMessage } from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { storedMessage } from '../support/scripted-cluster.ts';

const receipt = {
  clientMark: 'a',
  deliveryNumber: 1,
  brokerName: 'broker-a',
  queueTopic: 't',
  queueId: 1,
  queueOffset: 2n,
};
const received = (stored: StoredMessage) =>
  toReceivedMessage(stored, { topic: 't', reconsumeTimes: 3, receipt }, 1_000);

describe('a stored message as it is handed out', () => {
  test('has what its producer gave it, and what is known of the delivery', async () => {
    const properties = new Map([
      ['UNIQ_KEY', 'id'],
      ['TAGS', 'tag'],
      ['own', 'value'],
    ]);
    const stored = storedMessage({ body: Buffer.from('body'), properties, bornTimestampMs: 4 });
    expect(await received(stored)).toMatchObject({
      messageId: 'id',
      topic: 't',
      body: Buffer.from('body'),
      tag: 'tag',
      properties,
      bornTimestampMs: 4,
      reconsumeTimes: 3,
      receipt,
    });
  });

  test('has the id of where it lay first, where its producer gave it none', async () => {
    const stored = storedMessage({ properties: new Map() });
    const { messageId } = await received(stored);
    expect(messageId).toBe(offsetMessageId(stored));
    expect(decodeOffsetMessageId(messageId)).toMatchObject({ commitLogOffset: stored.commitLogOffset });
    const again = storedMessage({ commitLogOffset: 99n, properties: new Map([['ORIGIN_MESSAGE_ID', messageId]]) });
    expect((await received(again)).messageId).toBe(messageId);
  });

  test('is none where its body cannot be read', async () => {
    const damaged = storedMessage({ sysFlag: SysFlag.COMPRESSED, body: Buffer.from('no zlib') });
    await expect(received(damaged)).rejects.toMatchObject({ kind: 'malformed' });
  });
});
