import { MessageProperty } from '../remoting/message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { isRetryTopic, SystemTopic } from '../remoting/topic-names.ts';
import { RequestRefused } from './refused.ts';
import type { MessageDraft } from './store/message-store.ts';

/** What a recall handle says. It is not signed: whoever knows topic, time and id of a message can make one. */
export interface RecallHandle {
  readonly topic: string;
  readonly brokerName: string;
  readonly deliverMs: number;
  /** UNIQ_KEY. */
  readonly messageId: string;
}

const version = 'v1';

/**
 * The handle by which a message can be recalled, where it is a record that `DelayedMessages.route` made wait for a time; undefined for
 * all others (Java `SendMessageProcessor.attachRecallHandle`).
 */
export function recallHandleOf(routed: MessageDraft, brokerName: string): string | undefined {
  const topic = routed.properties.get(MessageProperty.REAL_TOPIC);
  if (routed.topic !== SystemTopic.TIMER || topic === undefined || isRetryTopic(topic)) return undefined;
  const deliverMs = routed.properties.get(MessageProperty.TIMER_OUT_MS) ?? '';
  const text = [version, topic, brokerName, deliverMs, routed.properties.get(MessageProperty.UNIQ_KEY) ?? ''].join(' ');
  // Java and Go want the padding, which Node's own form for URLs leaves out.
  return Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Reads what `recallHandleOf` made (Java `RecallMessageHandle`). @throws RequestRefused ILLEGAL_OPERATION. */
export function readRecallHandle(handle: string): RecallHandle {
  const text = /^[\w-]+={0,2}$/.test(handle) ? Buffer.from(handle, 'base64url').toString() : '';
  const [found, topic, brokerName, deliverMs, messageId] = text.split(' ');
  const isWhole = topic !== undefined && brokerName !== undefined && messageId !== undefined && messageId !== '';
  if (found !== version || !isWhole || deliverMs === undefined || !/^\d{1,15}$/.test(deliverMs)) {
    throw new RequestRefused(ResponseCode.ILLEGAL_OPERATION, 'the recall handle is none: give the one of the send');
  }
  return { topic, brokerName, deliverMs: Number(deliverMs), messageId };
}
