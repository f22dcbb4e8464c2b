import { delayLevelsMs } from '../../remoting/message.ts';
import type { Broadcast } from '../consumer.ts';
import { changedDurationMsMax } from '../pop/settler.ts';
import type { AllocationStrategy } from '../pull/allocation.ts';
import { checkStrategy } from './allocation.ts';
import { broadcastOf, type LocalOffsets } from './broadcast.ts';
import { checkNumber, timeoutMsMax } from './call.ts';
import type { ReceivedMessage } from './received-message.ts';
import { invalidArgument, type RocketMQError } from './rocketmq-error.ts';
import { checkConsumeFrom, checkInvisibleDuration, type ReceiveOptions } from './subscription.ts';

/** What became of a message. Nothing, or `ack`: it is done. Else it comes again, after so many ms (0 to 43,200,000). */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one.
export type HandlerResult = void | 'ack' | { readonly retryAfterMs: number };

/** What a handler has besides its message. */
export interface HandlerContext {
  /** Aborted when the time of the handler is over, or its consumer closes and waits no longer: the message comes again then. */
  readonly signal: AbortSignal;
}

/** What is done with one message. When it throws, the message comes again after `retryDelayMs`. */
export type Handler = (message: ReceivedMessage, context: HandlerContext) => HandlerResult | Promise<HandlerResult>;

/** Options of a push consumer. Times are in ms. */
export interface PushConsumerOptions extends ReceiveOptions {
  readonly handler: Handler;
  /** Handlers that may run at once, of all topics together. 1 to 4,096. Default: 16. */
  readonly concurrency?: number;
  /**
   * The messages of a queue, and so those of a sharding key, come one after the other: the next when the one before is done; one that
   * failed holds up its queue until it is done or dead. Default: false.
   */
  readonly ordered?: boolean;
  /**
   * Every member gets all messages, by pull, and keeps its place itself: in memory (`true`), so that each start begins at `consumeFrom`, or in
   * a file. What a handler throws at comes again to it after `retryDelayMs`, and is dropped after `reconsumeTimesMax`. Default: false.
   */
  readonly broadcast?: boolean | LocalOffsets;
  /** Redeliveries of a message after which it goes to the dead letter queue, `%DLQ%group`: 0 to 2,147,483,647. Default: the group's own at the brokers, 16 there. */
  readonly reconsumeTimesMax?: number;
  /** By pull: who reads which queue. All members must have the same, in other languages too. Default: `averageAllocation`. */
  readonly allocationStrategy?: AllocationStrategy;
  /**
   * Messages of one topic that may be held at once, in handlers and waiting for one; other members cannot have them. At least 1, at most
   * 65,536. Default: four times `concurrency`, at least 64.
   */
  readonly messagesMax?: number;
  /** Longest time of one handler: 1 to 43,200,000 (12 h). Then its signal is aborted, and the message comes again. Default: 900,000. */
  readonly handlerTimeoutMs?: number;
  /**
   * How soon other members get what a process held that crashed: 1,000 to 43,200,000 (12 h). Handlers may take longer: it is renewed while
   * they run. By pull the brokers' own time counts, 120 s. Default: 60,000.
   */
  readonly invisibleDurationMs?: number;
  /**
   * When a message comes again whose handler threw, by how often it had come before, 0 the first time: 0 to 43,200,000. Default: 10 s,
   * 30 s, 1 to 10 min, 20 min, 30 min, 1 h, 2 h, as official clients do; 1 s where `ordered`.
   */
  readonly retryDelayMs?: (reconsumeTimes: number) => number;
  /** How long `close` and `unsubscribe` wait for handlers: 0 to 2,147,483,647. Default: 30,000. */
  readonly closeTimeoutMs?: number;
  /**
   * Told of what nobody else hears of: brokers refuse the group or the topic, or an ack failed, so that its message comes again. What it throws
   * goes to the logger. Default: only the logger is told.
   */
  readonly onError?: (error: RocketMQError) => void;
}

/** What a delay may be. */
export const delayBounds = { min: 0, max: changedDurationMsMax } as const;

/** Options that are complete and right; the group is as the user named it. */
export type CheckedPushOptions = ReturnType<typeof checkPushOptions>;

/** @throws RocketMQError `INVALID_ARGUMENT`, naming the option. */
export function checkPushOptions(options: PushConsumerOptions) {
  const { ordered = false, concurrency = 16 } = options;
  if (typeof options.handler !== 'function')
    throw invalidArgument('handler is no function: give the one that gets messages');
  checkNumber('concurrency', concurrency, { min: 1, max: 4_096 });
  const complete = {
    ...options,
    ordered,
    concurrency,
    consumeFrom: checkConsumeFrom(options.consumeFrom),
    broadcast: checkedBroadcast(options),
    allocationStrategy: checkStrategy(options.allocationStrategy),
    messagesMax: options.messagesMax ?? Math.max(64, concurrency * 4),
    handlerTimeoutMs: options.handlerTimeoutMs ?? 900_000,
    invisibleDurationMs: options.invisibleDurationMs ?? 60_000,
    closeTimeoutMs: options.closeTimeoutMs ?? 30_000,
    retryDelayMs: options.retryDelayMs ?? (ordered ? orderedRetryDelayMs : officialRetryDelayMs),
    onError: options.onError ?? (() => {}),
  };
  if (options.reconsumeTimesMax !== undefined)
    checkNumber('reconsumeTimesMax', options.reconsumeTimesMax, { min: 0, max: 2_147_483_647 });
  checkNumber('messagesMax', complete.messagesMax, { min: 1, max: 65_536 });
  checkNumber('handlerTimeoutMs', complete.handlerTimeoutMs, { min: 1, max: delayBounds.max });
  checkNumber('closeTimeoutMs', complete.closeTimeoutMs, { min: 0, max: timeoutMsMax });
  checkInvisibleDuration('invisibleDurationMs', complete.invisibleDurationMs);
  return complete;
}

function checkedBroadcast({ broadcast, consumeMode }: PushConsumerOptions): Broadcast | undefined {
  const checked = broadcastOf(broadcast);
  if (checked === undefined || consumeMode !== 'pop') return checked;
  throw invalidArgument("a broadcast is received by pull: leave consumeMode out, or make it 'pull'");
}

/** As Java `DefaultMQPushConsumerImpl`: the delay levels from the third on. */
function officialRetryDelayMs(reconsumeTimes: number): number {
  return delayLevelsMs[Math.min(2 + reconsumeTimes, delayLevelsMs.length - 1)] ?? 0;
}

function orderedRetryDelayMs(): number {
  return 1_000;
}
