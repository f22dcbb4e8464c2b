import { MessageProperty } from '../../remoting/message.ts';
import { SystemTopic } from '../../remoting/topic-names.ts';
import type { ClientObserver, ProcessOutcome } from '../observer.ts';
import type { ReceivedMessage } from '../received-message.ts';
import type { OutgoingMessage, SendResult } from '../send/outgoing-message.ts';
import type { TraceDispatcher } from './trace-dispatcher.ts';
import { pubRecord, subAfterRecord, subBeforeRecord, TracedKind, TracedReturn } from './trace-format.ts';

/** What brokers call their region, unless told otherwise (Java `MixAll.DEFAULT_TRACE_REGION_ID`). */
const defaultRegion = 'DefaultRegion';

export interface MessageTraceParts {
  readonly dispatcher: Pick<TraceDispatcher, 'append'>;
  /** Where traces go: messages to it are not traced. */
  readonly topic: string;
  readonly producerGroup: string;
  readonly createMessageId: () => string;
}

const returns: Readonly<Record<ProcessOutcome, TracedReturn>> = {
  success: TracedReturn.SUCCESS,
  failure: TracedReturn.FAILED,
  timeout: TracedReturn.TIME_OUT,
};

/**
 * Writes the history of messages in RocketMQ's own format: when each was sent, by whom and where to, and when which group worked on it, with
 * what outcome. Operators read it with `mqadmin queryMsgTraceById` (Java `SendMessageTraceHookImpl`, `ConsumeMessageTraceHookImpl`).
 * Like there, sends that failed are not written, nor what brokers want no traces of (`traceOn=false`).
 */
export function messageTrace(parts: MessageTraceParts): ClientObserver {
  return {
    sending(message, kind) {
      if (message.topic === parts.topic || message.topic === SystemTopic.TRACE) return undefined;
      const startMs = Date.now();
      const traced = kind === 'half' ? TracedKind.HALF : kindOf(message);
      return {
        properties: [],
        run: (send) => send(),
        stored: (result) => {
          const { region } = result;
          if (region !== undefined) parts.dispatcher.append(pubOf(parts, message, result, { region, startMs, traced }));
        },
        failed: () => {},
      };
    },
    processing(message, group) {
      if (message.properties.get(MessageProperty.TRACE_ON) === 'false') return undefined;
      const startMs = Date.now();
      const requestId = parts.createMessageId();
      const delivery = { ...identityOf(message), group, requestId };
      const region = message.properties.get(MessageProperty.MSG_REGION) ?? defaultRegion;
      const { reconsumeTimes } = message;
      parts.dispatcher.append(subBeforeRecord({ ...delivery, timestampMs: startMs, region, reconsumeTimes }));
      return {
        run: (handler) => handler(),
        ended(outcome) {
          const timestampMs = Date.now();
          const durationMs = timestampMs - startMs;
          const success = outcome === 'success';
          const ended = { ...delivery, timestampMs, durationMs, success, returned: returns[outcome] };
          parts.dispatcher.append(subAfterRecord(ended));
        },
      };
    },
  };
}

function identityOf({ messageId, properties }: ReceivedMessage) {
  return { messageId, keys: properties.get(MessageProperty.KEYS) };
}

function kindOf({ delivery }: OutgoingMessage): TracedKind {
  return delivery.kind === 'now' ? TracedKind.NORMAL : TracedKind.DELAYED;
}

function pubOf(
  { producerGroup }: MessageTraceParts,
  message: OutgoingMessage,
  result: SendResult,
  { region, startMs, traced }: { readonly region: string; readonly startMs: number; readonly traced: TracedKind },
) {
  return pubRecord({
    messageId: result.messageId,
    keys: message.keys,
    group: producerGroup,
    timestampMs: startMs,
    region,
    topic: message.topic,
    tag: message.tag,
    storeHost: result.channel.address,
    bodyLength: message.body.length,
    durationMs: Date.now() - startMs,
    kind: traced,
    offsetMessageId: result.offsetMessageId,
    success: true,
  });
}
