import type { MessageDraft } from '../../../src/broker/store/message-store.ts';

/** A message to store. */
export function draft(changes: Partial<MessageDraft> = {}): MessageDraft {
  return {
    topic: 'orders',
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:50000',
    reconsumeTimes: 0,
    replaces: 0,
    body: Buffer.from('body'),
    properties: new Map([['UNIQ_KEY', '7F0000010001']]),
    ...changes,
  };
}
