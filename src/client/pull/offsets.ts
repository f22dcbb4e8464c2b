import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { isRetryTopic } from '../../remoting/topic-names.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ConsumeFrom } from '../consume-from.ts';
import { type GroupQueue, knownOffset, startOffset, storeOffset } from '../start-offsets.ts';
import { channelOf, queueKey } from './pull-requests.ts';

/** How far a group has got, as its brokers remember it. */
export class Offsets {
  readonly #cluster: Cluster;
  readonly #group: string;
  readonly #from: ConsumeFrom;
  /** What the broker was told last, or told us, of each queue in use. */
  readonly #stored = new Map<string, bigint>();
  /** The first place stored in each topic of each broker; none of them fails. */
  readonly #begun = new Map<string, Promise<void>>();

  /** @param from where to begin in a queue in which the group has no place. */
  constructor(cluster: Cluster, group: string, from: ConsumeFrom) {
    this.#cluster = cluster;
    this.#group = group;
    this.#from = from;
  }

  /**
   * Where to begin with a queue; of a retry topic, for a new group, with its first message.
   * @throws whatever asking failed with: a guess would lose messages, or repeat them all.
   */
  async first(queue: MessageQueue, deadline: Deadline): Promise<bigint> {
    const channel = await channelOf(this.#cluster, queue, deadline);
    const groupQueue = this.#groupQueue(queue);
    const known = await knownOffset(groupQueue, channel, deadline, this.#from);
    if (known !== undefined) this.#stored.set(queueKey(queue), known);
    if (known !== undefined || isRetryTopic(queue.topic)) return known ?? 0n;
    return startOffset(groupQueue, channel, deadline, this.#from);
  }

  /** Stores progress, unless the broker knows it already. It never goes back. @throws as a request fails. */
  async store(queue: MessageQueue, offset: bigint, deadline: Deadline): Promise<void> {
    const stored = this.#stored.get(queueKey(queue));
    if (stored !== undefined && offset <= stored) return;
    await this.move(queue, offset, deadline);
  }

  /** Stores a place, also one further back. @throws as a request fails. */
  async move(queue: MessageQueue, offset: bigint, deadline: Deadline): Promise<void> {
    // Should it fail, the broker has another place than we thought, maybe one further on.
    this.#stored.delete(queueKey(queue));
    const channel = await channelOf(this.#cluster, queue, deadline);
    const store = (): Promise<void> => storeOffset(this.#groupQueue(queue), offset, channel, deadline);
    await this.#behindFirst(queue, store);
    this.#stored.set(queueKey(queue), offset);
  }

  /**
   * Brokers keep one of several places that come at once where a group has none in the topic yet, and forget the others
   * (Java `ConsumerOffsetManager.commitOffset`): the first one is stored alone.
   */
  async #behindFirst({ topic, brokerName }: MessageQueue, store: () => Promise<void>): Promise<void> {
    const key = `${topic} ${brokerName}`;
    const begun = this.#begun.get(key);
    if (begun !== undefined) {
      await begun;
      return store();
    }
    const first = store();
    this.#begun.set(
      key,
      first.catch(() => void this.#begun.delete(key)),
    );
    await first;
  }

  /** The queue is not in use any more: somebody else may move on in it. */
  forget(queue: MessageQueue): void {
    this.#stored.delete(queueKey(queue));
  }

  #groupQueue({ topic, queueId }: MessageQueue): GroupQueue {
    return { consumerGroup: this.#group, topic, queueId };
  }
}
