import { Code, type ConnectError } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import type { StreamGrace } from '../../client/stream-grace.ts';
import { UnreadBytes } from '../../client/unread-bytes.ts';
import type { ReceiveMessagesRequest } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../../log.ts';
import { type Call, createTimeoutMs, deadlineOf } from '../rpc/call.ts';
import { failure, invalid } from '../rpc/failures.ts';
import { streamEnding } from '../rpc/stream-ending.ts';
import type { Sessions } from '../session/sessions.ts';
import { PropertyCuts } from './property-cuts.ts';
import { ReaderWatch } from './reader-watch.ts';
import type { Receipts } from './receipts.ts';
import { createSettleHandlers, type SettleHandlers, type SettleOptions } from './settle.ts';
import { StreamDeliveries } from './stream-deliveries.ts';
import { type BegunStream, StreamMessages } from './stream-messages.ts';

/** Handlers of receiving. */
export interface ReceiveHandlers extends SettleHandlers {
  /** @throws (or its first message) ConnectError. */
  receiveMessages(request: ReceiveMessagesRequest, call: Call): StreamMessages;
}

export interface ReceiveOptions extends SettleOptions {
  /** Messages of one stream that may be in flight, where it does not ask for less. */
  readonly messagesMax: number;
  /** Aborted when the proxy shuts down: streams end with UNAVAILABLE. */
  readonly draining: Cancellation;
  /** What receivers have when the proxy shuts down. */
  readonly grace?: StreamGrace;
  readonly log: Log;
  readonly onReceived: () => void;
  /** Called each time that a stream stops polling, because its reader is slow or has not acknowledged what it got. */
  readonly onPaused: () => void;
  /** What all streams may have taken that is not read. Default: any number of bytes. */
  readonly unreadBytes?: UnreadBytes;
  /** Called for each stream that is ended because its reader stands still and others wait for the memory. */
  readonly onStalled?: () => void;
}

export function createReceiveHandlers(
  sessions: Sessions,
  receipts: Receipts,
  options: ReceiveOptions,
): ReceiveHandlers {
  const { messagesMax, draining, grace, log, onReceived, onPaused, onStalled } = options;
  const unreadBytes = options.unreadBytes ?? new UnreadBytes(Number.POSITIVE_INFINITY);
  const cuts = new PropertyCuts();
  const begin = async (request: ReceiveMessagesRequest, call: Call): Promise<BegunStream> => {
    const session = sessions.consumer(request.consumerId, call.caller);
    const streamMax = toMessagesMax(request.messagesMax, messagesMax);
    const { consumer } = await session.open(deadlineOf(call, createTimeoutMs));
    const { signal, end } = streamEnding([call.end, draining]);
    let isStalled = false;
    const { group, topic } = session.fields;
    const unread = unreadBytes.open(signal, () => {
      log.warn({ group, topic }, 'ended a stream whose reader stands still while others wait for PROXY_UNREAD_MB');
      onStalled?.();
      isStalled = true;
      end();
      call.reader?.cut();
    });
    const messages = consumer.stream({ messagesMax: streamMax, signal, onPaused, unread, grace });
    const deliveries = new StreamDeliveries(messages, {
      binaryBodies: request.binaryBodies,
      cuts,
      seal: (receipt) => receipts.seal(session.receiptOwner, receipt),
      onLeftOut: () => unread.read(),
      log,
    });
    call.reader?.watch(
      () => deliveries.forgetBody(),
      () => unread.progressed(),
    );
    const outcome = (): ConnectError | undefined => {
      if (isStalled) return standsStill();
      return draining.aborted ? shuttingDown() : undefined;
    };
    return { deliveries, reader: new ReaderWatch(onPaused), unread, onReceived, release: end, failure: outcome };
  };

  return {
    receiveMessages: (request, call) => new StreamMessages(() => begin(request, call)),
    ...createSettleHandlers(sessions, receipts, options),
  };
}

function shuttingDown(): ConnectError {
  return failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: receive from another instance');
}

function standsStill(): ConnectError {
  return failure(
    Code.ResourceExhausted,
    'OVERLOADED',
    'the reader of this stream took nothing for some seconds while others waited for the memory that its messages hold: ' +
      'they are delivered again; receive anew, and go on reading',
  );
}

/** Messages of a stream that may be in flight: as many as it asks for, at most what the proxy allows. */
function toMessagesMax(asked: number, allowed: number): number {
  if (asked < 0 || asked > allowed) {
    throw invalid(`messages_max is ${asked}; it may be 1 to ${allowed}, 0 for ${allowed}`);
  }
  return asked === 0 ? allowed : asked;
}
