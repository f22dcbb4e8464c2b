import { Deadline } from '../../remoting/deadline.ts';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import { defaultTopic } from '../../remoting/topic-names.ts';
import { isVersion5 } from '../../remoting/version.ts';
import { type ReachedBroker, reachBrokers } from '../cluster/reached-brokers.ts';
import type { Route } from '../cluster/route.ts';
import type { Consumer, ConsumerOptions, MessageStream, StreamOptions } from '../consumer.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { ClientError } from '../errors.ts';
import { checkFilter } from '../filter-check.ts';
import { LazyStream, type StartedStream } from '../lazy-stream.ts';
import { OpenStreams } from '../open-streams.ts';
import { fixStartOffsets } from '../start-offsets.ts';
import type { PopParts } from './pop-options.ts';
import { PopStream } from './pop-stream.ts';
import { startRenewals } from './renewals.ts';
import { Settler } from './settler.ts';

/** Longest time for what a stream leaves behind to be made visible again, in ms; after it the invisible duration does it. */
const releaseTimeoutMs = 5_000;
/** Messages of one stream that are given back side by side. */
const releasesAtOnce = 64;

/** Receives messages of one topic for one group by POP: what is handed out stays invisible to the group until it is acknowledged. */
export class PopConsumer implements Consumer<PopReceipt> {
  readonly #parts: PopParts;
  readonly #options: ConsumerOptions;
  readonly #onClosed: () => void;
  readonly #settler: Settler;
  /** Made for the first of them: a consumer that nobody reads yet is to cost little. */
  #streams: OpenStreams<PopStream> | undefined;
  #leave: (() => boolean) | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: PopParts, options: ConsumerOptions, onClosed: () => void = ignore) {
    this.#parts = parts;
    this.#options = options;
    this.#onClosed = onClosed;
    const { subscriber, renewalDurationMs, invisibleDurationMs } = options;
    this.#settler = new Settler(parts, subscriber, renewalDurationMs > invisibleDurationMs);
  }

  get streamCount(): number {
    return this.#streams?.count ?? 0;
  }

  get inFlightCount(): number {
    return this.#streams?.inFlightCount ?? 0;
  }

  /**
   * Makes sure that the topic can be received, and fixes where a new group starts. A topic that does not exist is waited for where the
   * brokers create topics by themselves.
   * @returns whether the topic exists.
   * @throws ClientError `noRoute`, `noBroker`, `closed`, `unsupported` for brokers without POP or that filter by tags only, `invalid` for
   * a condition that they cannot read; ResponseError; RemotingError.
   */
  async open(deadline: Deadline): Promise<boolean> {
    const { routes, heartbeats } = this.#parts.cluster;
    const { subscriber, filter, consumeFrom } = this.#options;
    const own = await routes.find(subscriber.topic, deadline);
    const route = own ?? (await routes.find(defaultTopic, deadline));
    if (route === undefined) throw await routes.missing(subscriber.topic, deadline);
    const brokers = await this.#checkBrokers({ ...route, topic: subscriber.topic }, deadline);
    const channels = brokers.map(({ channel }) => channel);
    await checkFilter({ clientId: this.#parts.cluster.clientId, subscriber, filter }, channels, deadline);
    await Promise.all(
      brokers.map(async ({ brokerName, channel }) => {
        await this.#parts.groups.read(subscriber.group, channel, deadline);
        const queueCount = own?.readQueueCounts.get(brokerName) ?? 0;
        await fixStartOffsets(subscriber, queueCount, channel, deadline, consumeFrom);
      }),
    );
    this.#checkOpen();
    this.#leave ??= heartbeats.join({
      group: subscriber.group,
      consumeType: 'CONSUME_POP',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      subscription: {
        topic: subscriber.topic,
        expression: filter.expression,
        expressionType: filter.type,
        version: Date.now(),
      },
    });
    return own !== undefined;
  }

  /**
   * A new stream; several of one consumer share the messages. What it leaves un-acknowledged is released when it ends.
   * @throws (its first message) ResponseError when the brokers refuse the group or the topic to us; ClientError `closed`.
   */
  stream(options: StreamOptions): MessageStream<PopReceipt> {
    return new LazyStream(() => {
      this.#checkOpen();
      return this.#startStream(options);
    });
  }

  ack(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    return this.#settler.ack(receipt, deadline);
  }

  /** @throws ClientError `invalid` for a delay that is not 0 to 12 h; as `ack`. */
  async nack(receipt: PopReceipt, delayMs: number, deadline: Deadline): Promise<void> {
    await this.#settler.nack(receipt, delayMs, deadline);
  }

  /** @throws ClientError `invalid` for a duration that is not 1 ms to 12 h; as `ack`. */
  async changeInvisibleDuration(receipt: PopReceipt, durationMs: number, deadline: Deadline): Promise<PopReceipt> {
    return this.#settler.change(receipt, durationMs, deadline);
  }

  /** Ends every stream, and resolves when what they left behind is released. Its group is taken off the brokers where nobody else here is a member. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { cluster } = this.#parts;
    if (this.#leave?.() === true) void cluster.heartbeats.leave(this.#options.subscriber.group, cluster.brokers.all);
    await this.#streams?.close();
    this.#onClosed();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ClientError('closed', 'the consumer has been closed');
  }

  /** Connections to the brokers that can be reached, which all must have POP. */
  async #checkBrokers(route: Route, deadline: Deadline): Promise<readonly ReachedBroker[]> {
    const { cluster, requestTimeoutMs } = this.#parts;
    const reached = await reachBrokers(cluster, route, deadline, requestTimeoutMs);
    if (reached.some(({ version }) => !isVersion5(version))) {
      throw new ClientError(
        'unsupported',
        'a broker of the topic runs RocketMQ 4.x, which has no POP: receive by pull (consume mode auto or pull)',
      );
    }
    return reached;
  }

  #startStream(options: StreamOptions): StartedStream<PopReceipt> {
    this.#streams ??= new OpenStreams();
    const { stream, end } = this.#streams.start(options, (given) => {
      const stream = new PopStream(this.#parts, this.#options, given);
      const stopRenewals = startRenewals(stream, this.#settler, this.#options);
      const forget = this.#parts.liveStreams.add(this.#options.subscriber, stream.inFlight);
      const giveBack = (): Promise<void> => {
        stopRenewals();
        forget();
        return this.#releaseHandedOut(stream);
      };
      return { stream, giveBack, giveBackUnread: () => this.#releaseUnread(stream) };
    });
    return { messages: stream, end };
  }

  /** Never fails. */
  async #releaseHandedOut({ inFlight }: PopStream): Promise<void> {
    const handedOut = inFlight.all;
    this.#settler.refuseAcks(handedOut);
    const deadline = Deadline.after(releaseTimeoutMs);
    await eachAtOnce(handedOut, releasesAtOnce, (message) => this.#settler.release(message, deadline));
  }

  /** Never fails. */
  async #releaseUnread(stream: PopStream): Promise<void> {
    const leftOver = await stream.leftOver();
    // A POP that was under way may have taken long.
    const deadline = Deadline.after(releaseTimeoutMs);
    await eachAtOnce(leftOver, releasesAtOnce, ({ receipt }) => this.#settler.releaseUnread(receipt, deadline));
  }
}

function ignore(): void {}
