import { Deadline, pause } from '../../remoting/deadline.ts';
import { ResponseError } from '../../remoting/errors.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { StoredMessage } from '../../remoting/stored-message.ts';
import { routeDoubt } from '../cluster/routes.ts';
import { type ClientError, isDenied } from '../errors.ts';
import { startOffset } from '../start-offsets.ts';
import { messageBytesMax } from '../unread-bytes.ts';
import type { UnreadQueue } from '../unread-queue.ts';
import type { Offsets } from './offsets.ts';
import { type ArrivedMessage, ProcessQueue } from './process-queue.ts';
import { type PullParts, pullMessagesMax } from './pull-options.ts';
import { channelOf, type Pulled, pullMessages } from './pull-requests.ts';

/** How long to wait before a failed pull is tried again, in ms. */
const retryPauseMs = 1_000;
/** The same where the broker limits the rate. */
const flowControlPauseMs = 20;
/** Shortest time between two pulls of which the first brought nothing and got nowhere, in ms: a broker that does not hold them. */
const emptyPauseMs = 100;
/** What is older than a reader by this, in ms, somebody else has seen: clocks differ. */
const clockDifferenceMsMax = 60_000;
/** Bytes of bodies that wait to be handed out, above which no more are pulled. */
const freshBytesMax = 1_048_576;

/** Behind a pull that brought so many bytes of bodies room is made for as many before the next one. */
const largeBytesMin = 65_536;

/** What of a queue is wanted. */
export interface ReaderSubscription {
  readonly expression: string;
  readonly expressionType: 'TAG' | 'SQL92';
  /** When it was made, in ms since 1970. */
  readonly version: number;
}

export interface QueueReaderOptions {
  readonly group: string;
  readonly queue: MessageQueue;
  readonly subscription: ReaderSubscription;
  readonly ordered: boolean;
  /** How long brokers hold a pull while there is nothing, in ms. */
  readonly suspendDurationMs: number;
  readonly offsets: Pick<Offsets, 'first' | 'move'>;
  /** Whether anybody would take messages of this queue now. */
  readonly isWanted: () => boolean;
  /** Of what came, the messages to be handed out. */
  readonly select: (messages: readonly StoredMessage[]) => readonly ArrivedMessage[];
  /** There is something new: messages, or the end of a wait. */
  readonly onChange: () => void;
  /** The broker refuses the group, the topic or the filter to us; the reader has stopped. */
  readonly onRefused: (error: Error) => void;
  /** The queue goes on from elsewhere: nothing that was pulled before counts. */
  readonly onMoved: () => void;
}

/**
 * Reads one queue, one pull at a time, and only while its messages are wanted. How far it is stands in `messages`.
 */
export class QueueReader {
  readonly queue: MessageQueue;
  readonly #parts: PullParts;
  readonly #options: QueueReaderOptions;
  readonly #ending = new AbortController();
  readonly #unread: UnreadQueue;
  /** Ends the pull under way. */
  #pulling = new AbortController();
  /** Bytes to make room for before the next pull, which brokers then do not hold; 0: none. */
  #expectedBytes: number;
  #messages: ProcessQueue | undefined;
  #running: Promise<void> | undefined;
  #lastPullTimestampMs = 0;
  #isFailing = false;
  /** What was stored at or after this time, in ms since 1970, has not come yet, the place where we are left aside. */
  #unseenSinceMs = Date.now() - clockDifferenceMsMax;
  /** Its broker said that there is no such topic: should it come back, it is another one. */
  #isTopicGone = false;

  constructor(parts: PullParts, options: QueueReaderOptions) {
    this.#parts = parts;
    this.#options = options;
    this.queue = options.queue;
    this.#unread = parts.unreadBytes.openQueue(() => this.#shed());
    this.#expectedBytes = parts.unreadBytes.isBounded ? messageBytesMax : 0;
  }

  /** What was pulled and is not done; undefined while it is not known where to begin. */
  get messages(): ProcessQueue | undefined {
    return this.#messages;
  }

  /** In ms since 1970; 0: never. */
  get lastPullTimestampMs(): number {
    return this.#lastPullTimestampMs;
  }

  /** Goes on pulling, if more is wanted. To be called whenever something was taken. */
  wake(): void {
    this.#unread.hold(this.#messages?.freshBytes ?? 0);
    if (this.#running !== undefined || !this.#isWanted) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Goes on from elsewhere, and forgets what it has. Its offset is the caller's to store. */
  moveTo(offset: bigint): void {
    this.#messages = new ProcessQueue(offset, this.#parts.limits, this.#options.ordered);
    this.#unread.hold(0);
    this.#options.onMoved();
  }

  /** Resolves when no pull is under way, and none will be. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#pulling.abort();
    this.#unread.close();
    await this.#running;
  }

  get #isWanted(): boolean {
    if (this.#ending.signal.aborted || !this.#options.isWanted()) return false;
    const messages = this.#messages;
    if (messages === undefined) return true;
    return !messages.isFull && messages.freshCount < pullMessagesMax && messages.freshBytes < freshBytesMax;
  }

  /** Never fails. */
  async #run(): Promise<void> {
    while (this.#isWanted) {
      try {
        await this.#step();
        this.#isFailing = false;
      } catch (error) {
        await this.#noteFailure(error);
      } finally {
        this.#unread.release();
      }
    }
  }

  async #step(): Promise<void> {
    const isHeld = this.#expectedBytes === 0;
    if (!isHeld && !(await this.#makeRoom())) return;
    const { queue, offsets } = this.#options;
    const { signal } = this.#pulling;
    const deadline = Deadline.after(this.#parts.requestTimeoutMs, signal);
    const messages = this.#messages;
    if (messages === undefined) {
      const first = await offsets.first(queue, deadline);
      this.#messages ??= new ProcessQueue(first, this.#parts.limits, this.#options.ordered);
      return;
    }
    const askedAtMs = performance.now();
    const offset = messages.nextOffset;
    const pulled = await this.#pull(messages, deadline, signal);
    if (pulled === undefined) return;
    this.#lastPullTimestampMs = Date.now();
    if (this.#isTopicGone) {
      const unseen = await this.#firstUnseen(offset);
      this.#isTopicGone = false;
      if (unseen < offset && messages === this.#messages) return this.#move(messages, unseen);
    }
    // It was moved meanwhile, or let go of what came before this, or is not ours any more.
    if (messages !== this.#messages || messages.nextOffset !== offset || signal.aborted) return;
    await this.#take(messages, pulled);
    if (isHeld && pulled.outcome === 'nothing' && messages.nextOffset === offset) {
      const leftMs = emptyPauseMs - (performance.now() - askedAtMs);
      if (leftMs > 0) await pause(leftMs, this.#ending.signal);
    }
  }

  /** Undefined when the signal has ended it. */
  async #pull(messages: ProcessQueue, deadline: Deadline, signal: AbortSignal): Promise<Pulled | undefined> {
    const { queue, group, subscription, suspendDurationMs } = this.#options;
    const pull = {
      group,
      queue,
      offset: messages.nextOffset,
      suspendDurationMs: this.#expectedBytes === 0 ? suspendDurationMs : 0,
      expression: subscription.expression,
      expressionType: subscription.expressionType,
      subscriptionVersion: subscription.version,
    };
    try {
      const channel = await channelOf(this.#parts.cluster, queue, deadline);
      return await pullMessages(pull, channel, signal, (error) => {
        this.#parts.log.error({ err: error, ...queue, group }, 'a stored message is damaged and cannot be delivered');
      });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** Waits for room for what the next pull may bring. False when it is not wanted any more. */
  async #makeRoom(): Promise<boolean> {
    return (await this.#unread.reserve(this.#expectedBytes)) && this.#isWanted;
  }

  /** Lets go of what nobody was given, for others; it is pulled again when there is room. */
  #shed(): void {
    const first = this.#messages?.dropFresh();
    if (first === undefined) return;
    this.#unseenSinceMs = Math.min(this.#unseenSinceMs, first.storeTimestampMs);
    this.#pulling.abort();
    this.#pulling = new AbortController();
    this.wake();
  }

  async #take(messages: ProcessQueue, { outcome, nextOffset, maxOffset, messages: arrived }: Pulled): Promise<void> {
    if (outcome === 'moved') {
      // Java goes on at the end, and loses what came since the topic was made again.
      const isShorter = nextOffset > 0n && maxOffset < messages.nextOffset;
      return this.#move(messages, isShorter ? await this.#firstUnseen(nextOffset) : nextOffset);
    }
    const wanted = this.#options.select(arrived);
    const bytes = wanted.reduce((sum, { stored }) => sum + stored.body.length, 0);
    const fits = this.#unread.takeIn(bytes);
    const isLarge = this.#parts.unreadBytes.isBounded && bytes >= largeBytesMin;
    this.#expectedBytes = isLarge || !fits ? bytes : 0;
    // It is pulled again when there is room.
    if (!fits) return;
    const last = arrived.at(-1);
    if (last !== undefined) this.#unseenSinceMs = last.storeTimestampMs + 1;
    messages.add(wanted, nextOffset);
    if (arrived.length > 0) this.#options.onChange();
  }

  async #move(messages: ProcessQueue, to: bigint): Promise<void> {
    const { queue, offsets, group } = this.#options;
    this.#parts.log.warn(
      { ...queue, group, from: String(messages.nextOffset), to: String(to) },
      'a queue has no messages where the group is, or the group was moved; it goes on from another offset',
    );
    this.moveTo(to);
    await offsets.move(queue, to, Deadline.after(this.#parts.requestTimeoutMs));
  }

  /** Where what never came begins in a queue whose topic was made again, or whose end is lost: at `offset` at the latest. */
  async #firstUnseen(offset: bigint): Promise<bigint> {
    const { queue, group } = this.#options;
    const deadline = Deadline.after(this.#parts.requestTimeoutMs, this.#ending.signal);
    try {
      const channel = await channelOf(this.#parts.cluster, queue, deadline);
      const from = { kind: 'timestamp', timestampMs: this.#unseenSinceMs } as const;
      const unseen = await startOffset({ ...queue, consumerGroup: group }, channel, deadline, from);
      return unseen < offset ? unseen : offset;
    } catch (error) {
      // Who may read a topic need not have the right to look for offsets.
      if (isDenied(error)) return offset;
      throw error;
    }
  }

  /** As Java's client reacts to each code (`DefaultMQPushConsumerImpl.PullCallback`), but what cannot get better is told to the reader. */
  async #noteFailure(error: unknown): Promise<void> {
    const { queue, group, onRefused } = this.#options;
    const { cluster, log } = this.#parts;
    if (this.#ending.signal.aborted) return;
    if (isRefusal(error)) {
      this.#ending.abort();
      onRefused(error);
      return;
    }
    if (error instanceof ResponseError && error.code === ResponseCode.FLOW_CONTROL) {
      await pause(flowControlPauseMs, this.#ending.signal);
      return;
    }
    const doubt = routeDoubt(error) ?? 'brokerGone';
    if (doubt === 'topicGone') this.#isTopicGone = true;
    cluster.routes.doubt(queue.topic, doubt);
    if (this.#isFailing) log.debug({ err: error, ...queue, group }, 'pulling from a queue failed again');
    else log.warn({ err: error, ...queue, group }, 'pulling from a queue failed; trying again until it works');
    this.#isFailing = true;
    await pause(retryPauseMs, this.#ending.signal);
  }
}

/** True for what trying again cannot change. */
function isRefusal(error: unknown): error is ResponseError | ClientError {
  if (!(error instanceof ResponseError)) return isDenied(error);
  const { code } = error;
  return code === ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST || code === ResponseCode.SUBSCRIPTION_PARSE_FAILED;
}
