import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import type { ClusterClient } from '../client.ts';
import { Closing } from '../closing.ts';
import { type ClientObserver, observeReceive } from '../observer.ts';
import { type AllocationStrategy, averageAllocation } from '../pull/allocation.ts';
import { type LitePullConsumer as Core, litePullSuspendDurationMs } from '../pull/lite-pull-consumer.ts';
import { checkStrategy } from './allocation.ts';
import { broadcastOf, type LocalOffsets } from './broadcast.ts';
import { type CallOptions, checkNumber } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { ObservedWork } from './observed-work.ts';
import { ReceivedMessage } from './received-message.ts';
import { closedError, RocketMQError, toRocketMQError } from './rocketmq-error.ts';
import { type ConsumeFrom, checkConsumeFrom, type Filter, parseFilter } from './subscription.ts';

/** Options of a lite pull consumer. */
export interface LitePullConsumerOptions {
  /** Consumer group, under which offsets are stored. 1 to 120 letters, digits and `% | _ -`, the namespace included. */
  readonly group: string;
  /** Where to begin in a queue in which the group has no place. Default: `last`. */
  readonly consumeFrom?: ConsumeFrom;
  /** Whether what earlier polls brought is stored as done every second and at the close. Default: true; else `commit` does it. */
  readonly autoCommit?: boolean;
  /**
   * Every member gets all messages, and keeps its place itself: in memory (`true`), so that each start begins at `consumeFrom`, or in a file.
   * Default: false.
   */
  readonly broadcast?: boolean | LocalOffsets;
  /** Who reads which queue of a topic that is subscribed to. All members must have the same, in other languages too. Default: `averageAllocation`. */
  readonly allocationStrategy?: AllocationStrategy;
}

/** Most messages of one poll. */
export const pollCountMax = 1_024;
const pollTimeoutMsDefault = 20_000;
/** Messages that iteration asks for at once. */
const iterationCount = 32;

/**
 * Receives by pull when it is asked to, and decides what is stored as done: what a poll brought is, when the next poll begins or `commit` is
 * called. A topic is shared with the group (`subscribe`), or queues are chosen (`assign`): never both in one consumer.
 */
export class LitePullConsumer implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #options: LitePullConsumerOptions;
  readonly #group: string;
  readonly #ending = new AbortController();
  readonly #closing: Closing;
  #opening: Promise<Core> | undefined;
  #core: Core | undefined;
  #observer: ClientObserver | undefined;
  readonly #work: ObservedWork;
  /** What the last poll brought, until it is done. */
  #polled: readonly ReceivedMessage[] = [];

  /** Not for users: `RocketMQClient.litePullConsumer` makes them. */
  constructor(parts: ClientParts, options: LitePullConsumerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#group = parts.fullGroup(options.group);
    this.#work = new ObservedWork(() => this.#observer, this.#group);
    checkConsumeFrom(options.consumeFrom);
    checkStrategy(options.allocationStrategy);
    broadcastOf(options.broadcast);
    this.#closing = new Closing(
      () => closedError('the consumer'),
      () => this.#close(),
    );
  }

  /** The queues that are read now, those too that are paused. */
  get queues(): readonly MessageQueue[] {
    return (this.#core?.queues ?? []).map((queue) => this.#short(queue));
  }

  /** Reads those queues of a topic that the group gives this member. @throws RocketMQError. */
  subscribe(topic: string, filter: Filter = '*', call: CallOptions = {}): Promise<void> {
    return this.#run(call, async (core, deadline) => {
      const subscribing = core.subscribe(this.#parts.rules.fullTopic(topic), parseFilter(filter));
      await deadline.wait(subscribing, 'subscribing');
    });
  }

  /** Reads the topic no more; what was done in it is stored. @throws RocketMQError. */
  unsubscribe(topic: string, call: CallOptions = {}): Promise<void> {
    return this.#run(call, (core) => core.unsubscribe(this.#parts.rules.fullTopic(topic)));
  }

  /** All queues of a topic, to choose from. @throws RocketMQError. */
  queuesOf(topic: string, call: CallOptions = {}): Promise<readonly MessageQueue[]> {
    return this.#run(call, async (core, deadline) => {
      const queues = await core.queuesOf(this.#parts.rules.fullTopic(topic), deadline);
      return queues.map((queue) => this.#short(queue));
    });
  }

  /** Reads exactly these queues, whoever else does. @throws RocketMQError. */
  assign(queues: readonly MessageQueue[], filter: Filter = '*', call: CallOptions = {}): Promise<void> {
    return this.#run(call, (core) =>
      core.assign(
        queues.map((queue) => this.#full(queue)),
        parseFilter(filter),
      ),
    );
  }

  /**
   * Up to `countMax` (1 to 1,024) messages as soon as there is one; none when none came in `timeoutMs`, 20,000 by default.
   * @throws RocketMQError.
   */
  async poll(countMax = iterationCount, call: CallOptions = {}): Promise<ReceivedMessage[]> {
    const { timeoutMs = pollTimeoutMsDefault, signal } = call;
    const signals = signal === undefined ? [this.#ending.signal] : [signal, this.#ending.signal];
    try {
      return await this.#run({ timeoutMs, signal: AbortSignal.any(signals) }, async (core, deadline) => {
        checkNumber('countMax', countMax, { min: 1, max: pollCountMax });
        this.#ended('success');
        const topics = new Set(core.queues.map(({ topic }) => topic));
        const reading = { group: this.#group, topic: [...topics].join(',') };
        const messages = await observeReceive(this.#observer, reading, () => core.poll(countMax, deadline));
        this.#polled = messages.map((received) => {
          const message = new ReceivedMessage(received, this.#parts.namespace);
          this.#work.began(message, received);
          return message;
        });
        return [...this.#polled];
      });
    } catch (error) {
      const failure = toRocketMQError(error);
      if (failure.code === 'TIMEOUT') return [];
      if (failure.code !== 'CANCELLED' || signal?.aborted === true) throw failure;
      throw new RocketMQError('CLOSED', 'the consumer has been closed', error);
    }
  }

  /** Polls for as long as it is iterated: `for await (const message of consumer)`. */
  async *messages(call: Pick<CallOptions, 'signal'> = {}): AsyncGenerator<ReceivedMessage, void> {
    for (;;) yield* await this.poll(iterationCount, call);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage, void> {
    return this.messages();
  }

  /** The next message of the queue is the one at this offset, the first, the one behind the last, or the first stored at a time. */
  seek(queue: MessageQueue, to: bigint | ConsumeFrom, call: CallOptions = {}): Promise<void> {
    return this.#run(call, (core, deadline) =>
      core.seek(this.#full(queue), typeof to === 'bigint' ? to : checkConsumeFrom(to), deadline),
    );
  }

  /** As `seek` to the first message that the queue still has. @throws RocketMQError. */
  seekToBegin(queue: MessageQueue, call: CallOptions = {}): Promise<void> {
    return this.seek(queue, 'first', call);
  }

  /** As `seek` behind the last message. @throws RocketMQError. */
  seekToEnd(queue: MessageQueue, call: CallOptions = {}): Promise<void> {
    return this.seek(queue, 'last', call);
  }

  /** The offset of the first message of a queue that was stored at or after a time; the end where there is none. @throws RocketMQError. */
  offsetForTimestamp(queue: MessageQueue, time: Date, call: CallOptions = {}): Promise<bigint> {
    return this.#run(call, (core, deadline) => core.offsetOf(this.#full(queue), checkConsumeFrom(time), deadline));
  }

  /** Gives no messages of these queues until `resume`. @throws RocketMQError. */
  pause(queues: readonly MessageQueue[], call: CallOptions = {}): Promise<void> {
    return this.#run(call, async (core) => core.pause(queues.map((queue) => this.#full(queue))));
  }

  /** Takes `pause` back. @throws RocketMQError. */
  resume(queues: readonly MessageQueue[], call: CallOptions = {}): Promise<void> {
    return this.#run(call, async (core) => core.resume(queues.map((queue) => this.#full(queue))));
  }

  /** Stores all that polls have brought as done. @throws RocketMQError. */
  commit(call: CallOptions = {}): Promise<void> {
    return this.#run(call, async (core, deadline) => {
      await core.commit(deadline);
      this.#ended('success');
    });
  }

  /** The offset that is stored for the group: of the first message that is not done. Undefined where there is none. */
  committed(queue: MessageQueue, call: CallOptions = {}): Promise<bigint | undefined> {
    return this.#run(call, (core, deadline) => core.committed(this.#full(queue), deadline));
  }

  /** Reads no more; its queues go to others of the group at once. */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    await this.#closing.ended();
    await this.#core?.close();
    // Nobody said that it is done, so it comes again.
    this.#ended('failure');
    this.#parts.onClosed(this);
  }

  /** Shows the observer how the work on what the last poll brought ended. */
  #ended(outcome: 'success' | 'failure'): void {
    for (const message of this.#polled) this.#work.ended(message, outcome);
    this.#polled = [];
  }

  #run<T>(call: CallOptions, work: (core: Core, deadline: Deadline) => Promise<T>): Promise<T> {
    return this.#closing.during(() =>
      runOnCluster(this.#parts, call, async (cluster, deadline) => {
        this.#opening ??= this.#open(cluster);
        this.#core ??= await this.#opening;
        return work(this.#core, deadline);
      }),
    );
  }

  /** One that failed is tried again by the next call. */
  async #open(cluster: ClusterClient): Promise<Core> {
    this.#observer = cluster.observer;
    const { autoCommit = true, consumeFrom, allocationStrategy = averageAllocation } = this.#options;
    const broadcast = broadcastOf(this.#options.broadcast);
    try {
      return await cluster.litePullConsumer({
        group: this.#group,
        messageModel: broadcast === undefined ? 'CLUSTERING' : 'BROADCASTING',
        from: checkConsumeFrom(consumeFrom),
        strategy: allocationStrategy,
        autoCommit,
        suspendDurationMs: litePullSuspendDurationMs,
        ...(broadcast?.localOffsets === undefined ? {} : { localOffsets: broadcast.localOffsets }),
      });
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  #full(queue: MessageQueue): MessageQueue {
    return { ...queue, topic: this.#parts.rules.fullTopic(queue.topic) };
  }

  #short(queue: MessageQueue): MessageQueue {
    return { ...queue, topic: this.#parts.shortTopic(queue.topic) };
  }
}
