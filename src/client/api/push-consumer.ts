import { Closing } from '../closing.ts';
import type { CallOptions } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { HandlerGate } from './handler-gate.ts';
import { type CheckedPushOptions, checkPushOptions, delayBounds, type PushConsumerOptions } from './push-options.ts';
import { closedError, invalidArgument } from './rocketmq-error.ts';
import { type Filter, openConsumer, parseFilter } from './subscription.ts';
import { TopicHandler } from './topic-handler.ts';

/** Gives messages to a handler, so many at once, and acknowledges those that it is done with. */
export class PushConsumer implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #options: CheckedPushOptions;
  readonly #group: string;
  readonly #gate: HandlerGate;
  readonly #topics = new Map<string, TopicHandler>();
  readonly #closing: Closing;
  #isPaused = false;

  /** Not for users: `RocketMQClient.pushConsumer` makes them. */
  constructor(parts: ClientParts, options: PushConsumerOptions) {
    this.#parts = parts;
    this.#group = parts.fullGroup(options.group);
    this.#options = checkPushOptions(options);
    this.#gate = new HandlerGate(this.#options.concurrency);
    this.#closing = new Closing(
      () => closedError('the consumer'),
      () => this.#close(),
    );
  }

  /**
   * Receives from this topic too, from now on. All members of a group must have the same subscriptions.
   * @throws RocketMQError `TOPIC_NOT_FOUND`, `INVALID_ARGUMENT`, …
   */
  subscribe(topic: string, filter: Filter = '*', call: CallOptions = {}): Promise<void> {
    return this.#closing.during(() =>
      runOnCluster(this.#parts, call, async (cluster, deadline) => {
        const full = this.#parts.rules.fullTopic(topic);
        if (this.#topics.has(full)) throw invalidArgument(`topic ${topic} is subscribed to: unsubscribe first`);
        const { invisibleDurationMs, ordered, consumeFrom, consumeMode } = this.#options;
        const { broadcast, reconsumeTimesMax, allocationStrategy: strategy } = this.#options;
        const options = {
          subscriber: { group: this.#group, topic: full },
          filter: parseFilter(filter),
          invisibleDurationMs,
          // While a message waits for its handler, and while that runs, which has a bound of its own.
          renewalDurationMs: delayBounds.max,
          orderly: ordered,
          consumeFrom,
          mode: consumeMode,
          ...{ broadcast, reconsumeTimesMax, strategy },
        };
        const consumer = await openConsumer(cluster, options, deadline);
        const { log, namespace, timeoutMs: settleTimeoutMs } = this.#parts;
        const { observer } = cluster;
        const shared = { group: this.#group, observer, gate: this.#gate, options: this.#options };
        const parts = { namespace, log, settleTimeoutMs, ...shared };
        const handler = new TopicHandler(consumer, parts);
        if (this.#isPaused) handler.pause();
        this.#topics.set(full, handler);
      }),
    );
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /**
   * Takes no more messages, of any topic, until `resume`: no more polls and pulls. Those that were received already are handled. By pull it
   * keeps its queues, and what is in them waits; by POP other members get it. @throws RocketMQError `CLOSED`.
   */
  pause(): void {
    this.#closing.check();
    this.#isPaused = true;
    for (const handler of this.#topics.values()) handler.pause();
  }

  /** Takes `pause` back. @throws RocketMQError `CLOSED`. */
  resume(): void {
    this.#closing.check();
    this.#isPaused = false;
    for (const handler of this.#topics.values()) handler.resume();
  }

  /** Receives from this topic no more, and waits for its handlers as `close` does. Nothing where it was not subscribed to. */
  async unsubscribe(topic: string): Promise<void> {
    const full = this.#parts.rules.fullTopic(topic);
    const handler = this.#topics.get(full);
    this.#topics.delete(full);
    await handler?.close();
  }

  /**
   * Takes no more messages, gives back at once those that wait for a handler, and waits `closeTimeoutMs` for the handlers that run; then
   * their signals are aborted, and their messages come again. Never fails; a second call waits for the same end.
   */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#closing.ended();
    await Promise.all([...this.#topics.values()].map((handler) => handler.close()));
    this.#parts.onClosed(this);
  }
}
