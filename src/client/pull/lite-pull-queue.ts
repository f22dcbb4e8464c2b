import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { isWanted, type MessageFilter } from '../message-filter.ts';
import type { OffsetStore } from './local-offsets.ts';
import type { PulledMessage } from './process-queue.ts';
import type { PullParts } from './pull-options.ts';
import { QueueReader } from './queue-reader.ts';

export interface LitePullQueueOptions {
  readonly group: string;
  readonly queue: MessageQueue;
  readonly filter: MessageFilter;
  /** When the subscription was made, in ms since 1970. */
  readonly version: number;
  /** How long brokers hold a pull while there is nothing, in ms. */
  readonly suspendDurationMs: number;
  readonly offsets: OffsetStore;
  /** There is something to take, or another reason to look. */
  readonly onChange: () => void;
  /** The broker refuses the group, the topic or the filter to us. */
  readonly onRefused: (error: Error) => void;
}

/** One queue of a lite pull consumer: it reads ahead, hands out in order, and starts anew wherever it is told to. */
export class LitePullQueue {
  readonly #parts: PullParts;
  readonly #options: LitePullQueueOptions;
  #reader: QueueReader;
  /** What the last polls took, and nobody said that it is done. */
  #handedOut: PulledMessage[] = [];
  #committedOffset: bigint | undefined;
  #isPaused = false;

  constructor(parts: PullParts, options: LitePullQueueOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#reader = this.#newReader(undefined);
    this.#reader.wake();
  }

  get queue(): MessageQueue {
    return this.#options.queue;
  }

  /** Up to so many messages, in order; none while it is paused. */
  take(countMax: number): readonly PulledMessage[] {
    const taken: PulledMessage[] = [];
    while (!this.#isPaused && taken.length < countMax) {
      const message = this.#reader.messages?.take(this.queue.topic, performance.now());
      if (message === undefined) break;
      taken.push(message);
    }
    this.#handedOut.push(...taken);
    this.#reader.wake();
    return taken;
  }

  /** What was taken until now need not come again. */
  settle(): void {
    for (const message of this.#handedOut) this.#reader.messages?.done(message);
    this.#handedOut = [];
    this.#reader.wake();
  }

  /** Stores what is settled, where it is not stored yet. @throws as a request fails. */
  async commit(deadline: Deadline): Promise<void> {
    const offset = this.#reader.messages?.committedOffset;
    if (offset === undefined || offset === this.#committedOffset) return;
    // Not only forward: whoever went back wants to begin there the next time.
    await this.#options.offsets.move(this.queue, offset, deadline);
    this.#committedOffset = offset;
  }

  /** Goes on from there; what was pulled or taken before does not count any more. */
  async seek(offset: bigint): Promise<void> {
    const before = this.#reader;
    this.#handedOut = [];
    this.#reader = this.#newReader(offset);
    await before.stop();
    this.#reader.wake();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#reader.wake();
  }

  /** Resolves when no pull is under way, and none will be. */
  async stop(): Promise<void> {
    await this.#reader.stop();
  }

  #newReader(offset: bigint | undefined): QueueReader {
    const { group, queue, filter, version, suspendDurationMs, offsets, onChange, onRefused } = this.#options;
    return new QueueReader(this.#parts, {
      group,
      queue,
      ordered: false,
      suspendDurationMs,
      offsets: {
        first: async (of, deadline) => offset ?? offsets.first(of, deadline),
        move: (of, to, deadline) => offsets.move(of, to, deadline),
      },
      subscription: { expression: filter.expression, expressionType: filter.type, version },
      isWanted: () => !this.#isPaused,
      // Brokers compare hashes of tags only.
      select: (messages) =>
        messages.filter((message) => isWanted(filter, message)).map((stored) => ({ stored, topic: queue.topic })),
      onChange,
      onMoved: () => {
        this.#handedOut = [];
      },
      onRefused,
    });
  }
}
