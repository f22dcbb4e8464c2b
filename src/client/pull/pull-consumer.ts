import type { Deadline } from '../../remoting/deadline.ts';
import { defaultTopic } from '../../remoting/topic-names.ts';
import { isVersion5 } from '../../remoting/version.ts';
import { type ReachedBroker, reachBrokers } from '../cluster/reached-brokers.ts';
import { readQueuesOf } from '../cluster/route.ts';
import { consumeFromDefault } from '../consume-from.ts';
import type { Consumer, ConsumerOptions, MessageStream, StreamOptions } from '../consumer.ts';
import { ClientError } from '../errors.ts';
import { checkFilter } from '../filter-check.ts';
import { LazyStream, type StartedStream } from '../lazy-stream.ts';
import { OpenStreams } from '../open-streams.ts';
import type { PullClaim, PullReceipt } from '../receipt.ts';
import { fixStartOffsets } from '../start-offsets.ts';
import { expiredError, wasAcknowledged } from './deliveries.ts';
import { LocalOffsets } from './local-offsets.ts';
import type { PullMember } from './pull-member.ts';
import type { PullMembers } from './pull-members.ts';
import type { PullParts } from './pull-options.ts';
import { PullStream } from './pull-stream.ts';

const acknowledged = Promise.resolve();

/**
 * Receives messages of one topic for one group by pull: the members of the group share out its queues, and who has a queue reads it
 * alone. Brokers know nothing of single deliveries, so a receipt means something only to the client that handed it out.
 */
export class PullConsumer implements Consumer<PullReceipt> {
  readonly #parts: PullParts;
  readonly #members: PullMembers;
  readonly #options: ConsumerOptions;
  readonly #onClosed: () => void;
  /** Made for the first of them: a consumer that nobody reads yet is to cost little. */
  #streams: OpenStreams<PullStream> | undefined;
  #joined: { readonly member: PullMember; readonly leave: () => void } | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: PullParts, members: PullMembers, options: ConsumerOptions, onClosed: () => void = () => {}) {
    this.#parts = parts;
    this.#members = members;
    this.#options = options;
    this.#onClosed = onClosed;
  }

  get streamCount(): number {
    return this.#streams?.count ?? 0;
  }

  get inFlightCount(): number {
    return this.#streams?.inFlightCount ?? 0;
  }

  /**
   * As `Consumer.open`.
   * @throws ClientError `invalid` when a consumer of the same group and topic, or of the group, wants it otherwise in this client.
   */
  async open(deadline: Deadline): Promise<boolean> {
    const { cluster, requestTimeoutMs } = this.#parts;
    const { subscriber } = this.#options;
    const own = await cluster.routes.find(subscriber.topic, deadline);
    const route = own ?? (await cluster.routes.find(defaultTopic, deadline));
    if (route === undefined) throw await cluster.routes.missing(subscriber.topic, deadline);
    const brokers = await reachBrokers(cluster, { ...route, topic: subscriber.topic }, deadline, requestTimeoutMs);
    const channels = brokers.map(({ channel }) => channel);
    await checkFilter({ clientId: cluster.clientId, subscriber, filter: this.#options.filter }, channels, deadline);
    await Promise.all(
      brokers.map((broker) => this.#prepare(broker, own?.readQueueCounts.get(broker.brokerName) ?? 0, deadline)),
    );
    const local = await this.#openLocal();
    this.#checkOpen();
    this.#joined ??= this.#members.join(this.#options, local);
    if (local !== undefined && own !== undefined) await this.#joined.member.fixStart(readQueuesOf(own), deadline);
    return own !== undefined;
  }

  /**
   * A new stream; those of all consumers of the group and topic in this client share the messages. What it leaves un-acknowledged comes
   * again, by the retry topic, as soon as it ends.
   * @throws (its first message) ResponseError when the brokers refuse the group, the topic or the filter to us; ClientError `closed`.
   */
  stream(options: StreamOptions): MessageStream<PullReceipt> {
    return new LazyStream(() => {
      this.#checkOpen();
      if (this.#joined === undefined) throw new ClientError('invalid', 'the consumer is not open: open it first');
      return this.#startStream(this.#joined.member, options);
    });
  }

  /** One promise serves all acks that succeed: there are as many as messages. */
  ack(receipt: PullClaim): Promise<void> {
    try {
      this.ackNow(receipt);
      return acknowledged;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Always true: brokers know nothing of single deliveries. */
  ackNow(receipt: PullClaim): boolean {
    const member = this.#members.find(this.#options.subscriber.group);
    if (member !== undefined) member.deliveries.ack(receipt);
    else if (!wasAcknowledged(receipt, this.#parts.deliveryNumbers)) throw expiredError();
    return true;
  }

  async nack(receipt: PullClaim, delayMs: number, deadline: Deadline): Promise<void> {
    await deadline.wait(this.#member().deliveries.nack(receipt, delayMs), 'giving a message back');
  }

  async changeInvisibleDuration(receipt: PullClaim, durationMs: number): Promise<PullReceipt> {
    return this.#member().deliveries.extend(receipt, durationMs);
  }

  /** Ends every stream, and resolves when what they left behind is given back, and their queues, which nobody else here reads, too. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#streams?.close();
    this.#joined?.leave();
    this.#onClosed();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ClientError('closed', 'the consumer has been closed');
  }

  /** What has handed out the group's messages here, which another consumer may have opened. @throws ClientError `expired`. */
  #member(): PullMember {
    const member = this.#members.find(this.#options.subscriber.group);
    if (member === undefined) throw expiredError();
    return member;
  }

  async #prepare({ channel, version }: ReachedBroker, queueCount: number, deadline: Deadline): Promise<void> {
    const { subscriber, consumeFrom, broadcast } = this.#options;
    // Brokers 4.x tell nobody of one group; they refuse its pulls where they do not know it.
    if (isVersion5(version)) await this.#parts.groups.read(subscriber.group, channel, deadline);
    if (broadcast === undefined)
      await fixStartOffsets(subscriber, queueCount, channel, deadline, consumeFrom ?? consumeFromDefault);
  }

  /** Undefined where brokers keep the offsets. */
  async #openLocal(): Promise<LocalOffsets | undefined> {
    const { broadcast, subscriber, consumeFrom: from = consumeFromDefault } = this.#options;
    if (broadcast === undefined) return undefined;
    const { cluster } = this.#parts;
    const { directory, clientId } = broadcast.localOffsets ?? { directory: undefined, clientId: cluster.clientId };
    return LocalOffsets.open({ cluster, group: subscriber.group, from, directory, clientId });
  }

  #startStream(member: PullMember, options: StreamOptions): StartedStream<PullReceipt> {
    this.#streams ??= new OpenStreams();
    const { stream, end } = this.#streams.start(options, (given) => {
      const stream = new PullStream(this.#parts, member, this.#options, given);
      member.start(stream);
      return { stream, giveBack: () => member.end(stream) };
    });
    return { messages: stream, end };
  }
}
