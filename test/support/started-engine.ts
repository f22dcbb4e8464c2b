import { type BrokerOptions, brokerDefaults } from '../../src/broker/options.ts';
import { type RunningEngine, startEngine } from '../../src/broker/start-engine.ts';
import type { MessageDraft, MessageStore } from '../../src/broker/store/message-store.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';

/** An engine without its ports, in memory unless told otherwise. */
export function startBareEngine(changes: Partial<BrokerOptions> = {}): Promise<RunningEngine> {
  return startEngine({ ...brokerDefaults, ...changes }, '127.0.0.1:10911', () => '127.0.0.1:10911');
}

/** All messages of a topic: by queue, then in order. */
export function messagesOf(store: MessageStore, topic: string): StoredMessage[] {
  const queueIds = [...store.queues()].filter((queue) => queue.topic === topic).map(({ queueId }) => queueId);
  return queueIds.sort((one, other) => one - other).flatMap((queueId) => messagesOfQueue(store, topic, queueId));
}

function messagesOfQueue(store: MessageStore, topic: string, queueId: number): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (let at = store.minOffset(topic, queueId); at < store.maxOffset(topic, queueId); at += 1) {
    const entry = store.entry(topic, queueId, at);
    const record = entry === undefined ? undefined : store.read(entry.commitLogOffset);
    if (record === undefined) throw new Error(`${topic} ${queueId} has nothing at ${at}`);
    messages.push(...decodeStoredMessages(record));
  }
  return messages;
}

/** A message for `orders`, queue 1, with properties on top of its id. */
export function order(properties: Readonly<Record<string, string>> = {}, body = 'order'): MessageDraft {
  return {
    topic: 'orders',
    queueId: 1,
    flag: 7,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:50000',
    reconsumeTimes: 0,
    replaces: 0,
    body: Buffer.from(body),
    properties: new Map([['UNIQ_KEY', '7F0000010001'], ...Object.entries(properties)]),
  };
}
