import type { MessageQueue } from '../../remoting/message.ts';
import type { BatchOutcome } from '../send/batches.ts';
import type { SendResult as Sent } from '../send/outgoing-message.ts';

/** Where a message was stored. */
export interface SendResult {
  /** What receivers see too, and what the message can be found by. */
  readonly messageId: string;
  /** Id that says where the message lies; of a message that waits for its time or its transaction, where it waits. */
  readonly offsetMessageId: string;
  /** Without the namespace of the client. */
  readonly queue: MessageQueue;
  readonly queueOffset: bigint;
  /** Takes back a message with `deliverAt` before its time (`recall`). Brokers from 5.3 give one. */
  readonly recallHandle?: string;
}

/** How one message of a batch fared that is not stored as a whole. `unknown`: no answer came, so it may be stored. */
export type SendOutcome =
  | { readonly state: 'stored'; readonly messageId: string; readonly result: SendResult }
  | { readonly state: 'notStored' | 'unknown'; readonly messageId: string };

/** A topic without the namespace. */
type ShortTopic = (topic: string) => string;

/** As users see it. */
export function toSendResult(sent: Sent, shortTopic: ShortTopic): SendResult {
  const { messageId, offsetMessageId, queue, queueOffset, recallHandle } = sent;
  const place = { messageId, offsetMessageId, queue: { ...queue, topic: shortTopic(queue.topic) }, queueOffset };
  return recallHandle === undefined ? place : { ...place, recallHandle };
}

/** As users see them. */
export function toSendOutcomes(outcomes: readonly BatchOutcome[], shortTopic: ShortTopic): readonly SendOutcome[] {
  return outcomes.map((outcome) => {
    const { state, messageId } = outcome;
    return state === 'stored'
      ? { state, messageId, result: toSendResult(outcome.result, shortTopic) }
      : { state, messageId };
  });
}
