import { setMaxListeners } from 'node:events';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { StreamGrace } from '../client/stream-grace.ts';
import type { MessageSchema, ReceiveMessagesRequest } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../log.ts';
import { type Call, createTimeoutMs, deadlineOf } from './call.ts';
import { failure, invalid } from './failures.ts';
import { toMessage } from './incoming.ts';
import { ReaderWatch } from './reader-watch.ts';
import type { Receipts } from './receipts.ts';
import type { Sessions } from './sessions.ts';
import { createSettleHandlers, type SettleHandlers, type SettleOptions } from './settle.ts';

/** Handlers of receiving. */
export interface ReceiveHandlers extends SettleHandlers {
  receiveMessages(request: ReceiveMessagesRequest, call: Call): AsyncIterable<MessageInitShape<typeof MessageSchema>>;
}

export interface ReceiveOptions extends SettleOptions {
  /** Messages of one stream that may be in flight, where it does not ask for less. */
  readonly messagesMax: number;
  /** Aborted when the proxy shuts down: streams end with UNAVAILABLE. */
  readonly draining: AbortSignal;
  /** What receivers have when the proxy shuts down. */
  readonly grace?: StreamGrace;
  readonly log: Log;
  readonly onReceived: () => void;
  /** Called each time that a stream stops polling, because its reader is slow or has not acknowledged what it got. */
  readonly onPaused: () => void;
}

export function createReceiveHandlers(
  sessions: Sessions,
  receipts: Receipts,
  options: ReceiveOptions,
): ReceiveHandlers {
  const { messagesMax, draining, grace, log, onReceived, onPaused } = options;
  // Any number of streams may watch it. Each takes its listener back, so there is no leak for Node to warn of.
  setMaxListeners(0, draining);
  return {
    async *receiveMessages(request, call) {
      const session = sessions.consumer(request.consumerId, call.caller);
      const streamMax = toMessagesMax(request.messagesMax, messagesMax);
      const { consumer } = await session.open(deadlineOf(call, createTimeoutMs));
      const ending = new AbortController();
      const end = (): void => ending.abort();
      const signals = [call.signal, draining];
      for (const signal of signals) signal.addEventListener('abort', end, { once: true });
      if (signals.some(({ aborted }) => aborted)) end();
      const reader = new ReaderWatch(onPaused);
      try {
        const stream = { messagesMax: streamMax, signal: ending.signal, onPaused };
        for await (const message of consumer.stream(grace === undefined ? stream : { ...stream, grace })) {
          const delivered = toMessage(
            message,
            receipts.seal(session.receiptOwner, message.receipt),
            request.binaryBodies,
          );
          if (delivered === undefined) {
            const { messageId, topic } = message;
            log.error({ messageId, topic, bytes: message.body.length }, 'a message is too large to be delivered');
            continue;
          }
          onReceived();
          reader.given();
          yield delivered;
          reader.asked();
        }
      } finally {
        reader.stop();
        for (const signal of signals) signal.removeEventListener('abort', end);
      }
      if (draining.aborted)
        throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: receive from another instance');
    },

    ...createSettleHandlers(sessions, receipts, options),
  };
}

/** Messages of a stream that may be in flight: as many as it asks for, at most what the proxy allows. */
function toMessagesMax(asked: number, allowed: number): number {
  if (asked < 0 || asked > allowed) {
    throw invalid(`messages_max is ${asked}; it may be 1 to ${allowed}, 0 for ${allowed}`);
  }
  return asked === 0 ? allowed : asked;
}
