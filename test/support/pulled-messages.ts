import type { ArrivedMessage } from '../../src/client/pull/process-queue.ts';
import type { StoredMessage } from '../../src/remoting/stored-message.ts';

/** A message as a broker stores it: in queue 0 of `topic` at that offset, with an id, unless told otherwise. */
export function storedAt(queueOffset: number, changes: Partial<StoredMessage> = {}): StoredMessage {
  return {
    topic: 'topic',
    queueId: 0,
    queueOffset: BigInt(queueOffset),
    commitLogOffset: BigInt(queueOffset * 1_000),
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:50000',
    storeTimestampMs: 1_700_000_000_001,
    storeHost: '127.0.0.1:10911',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0n,
    bodyCrc: 0,
    body: Buffer.from(`body ${queueOffset}`),
    properties: new Map([['UNIQ_KEY', `ID${queueOffset}`]]),
    ...changes,
  };
}

/** What a pull brought, of a topic that its consumers know by that name. */
export function arrived(queueOffset: number, changes: Partial<StoredMessage> = {}): ArrivedMessage {
  const stored = storedAt(queueOffset, changes);
  return { stored, topic: stored.topic };
}
