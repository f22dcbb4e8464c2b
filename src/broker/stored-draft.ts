import { RemotingError } from '../remoting/errors.ts';
import { MessageProperty } from '../remoting/message.ts';
import { decodeStoredMessages, type StoredMessage } from '../remoting/stored-message.ts';
import type { MessageDraft, MessageStore } from './store/message-store.ts';

/** Where inner records name the topic and the queue that their message is for. */
export interface RealPlace {
  readonly topic: string;
  readonly queueId: number;
}

/** The one message of a record; undefined where it cannot be read, or is a batch. */
export function messageOf(record: Buffer): StoredMessage | undefined {
  try {
    const [message, ...more] = decodeStoredMessages(record);
    return more.length === 0 ? message : undefined;
  } catch (error) {
    if (error instanceof RemotingError) return undefined;
    throw error;
  }
}

/** The message that is stored at an offset of the commit log; undefined where none is. */
export function readMessage(store: Pick<MessageStore, 'read'>, commitLogOffset: number): StoredMessage | undefined {
  const record = store.read(commitLogOffset);
  return record === undefined ? undefined : messageOf(record);
}

/** A message that is to be stored again, as it is but for what is said otherwise. */
export function draftOf(message: StoredMessage, changes: Partial<MessageDraft>): MessageDraft {
  const { topic, queueId, flag, sysFlag, bornTimestampMs, bornHost, reconsumeTimes, body, properties } = message;
  return {
    topic,
    queueId,
    flag,
    sysFlag,
    bornTimestampMs,
    bornHost,
    reconsumeTimes,
    replaces: 0,
    body,
    properties,
    ...changes,
  };
}

/** The same message with its topic and queue put down in its properties, for a record that waits in another topic. */
export function withRealPlace(draft: MessageDraft, waitingPlace: RealPlace): MessageDraft {
  const properties = new Map(draft.properties);
  properties.set(MessageProperty.REAL_TOPIC, draft.topic);
  properties.set(MessageProperty.REAL_QUEUE_ID, String(draft.queueId));
  return { ...draft, ...waitingPlace, properties };
}

/** Where the message of a waiting record goes in the end; undefined for a record that does not say so. */
export function realPlaceOf({ properties }: Pick<StoredMessage, 'properties'>): RealPlace | undefined {
  const topic = properties.get(MessageProperty.REAL_TOPIC);
  const queueId = properties.get(MessageProperty.REAL_QUEUE_ID);
  if (topic === undefined || queueId === undefined || !/^\d{1,9}$/.test(queueId)) return undefined;
  return { topic, queueId: Number(queueId) };
}
