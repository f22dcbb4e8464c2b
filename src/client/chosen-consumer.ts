import type { Deadline } from '../remoting/deadline.ts';
import { defaultTopic } from '../remoting/topic-names.ts';
import { isVersion5 } from '../remoting/version.ts';
import type { Cluster } from './cluster/cluster.ts';
import { reachBrokers } from './cluster/reached-brokers.ts';
import type { Consumer, MessageStream, StreamOptions } from './consumer.ts';
import { ClientError } from './errors.ts';
import type { ConsumeMode } from './options.ts';
import type { PopConsumer } from './pop/pop-consumer.ts';
import type { PullConsumer } from './pull/pull-consumer.ts';
import { type Claim, isPullClaim, type Receipt } from './receipt.ts';

/** What a consumer is made of that may receive in either way. */
export interface ChosenConsumerParts {
  readonly cluster: Cluster;
  readonly requestTimeoutMs: number;
  readonly topic: string;
  readonly mode: ConsumeMode;
  readonly createPop: () => PopConsumer;
  readonly createPull: () => PullConsumer;
  readonly onClosed: () => void;
}

/**
 * A consumer that receives in the way that its brokers know: by POP where all that can be reached have it, else by pull. Which one is
 * chosen when it opens. Receipts of both are taken, whether it is open or not.
 */
export class ChosenConsumer implements Consumer {
  readonly #parts: ChosenConsumerParts;
  #chosen: PopConsumer | PullConsumer | undefined;
  #pop: PopConsumer | undefined;
  #pull: PullConsumer | undefined;
  #isClosed = false;

  constructor(parts: ChosenConsumerParts) {
    this.#parts = parts;
  }

  get streamCount(): number {
    return this.#chosen?.streamCount ?? 0;
  }

  get inFlightCount(): number {
    return this.#chosen?.inFlightCount ?? 0;
  }

  async open(deadline: Deadline): Promise<boolean> {
    if (this.#chosen === undefined) {
      const way = await this.#choose(deadline);
      // Nobody would close what is made now.
      if (this.#isClosed) throw new ClientError('closed', 'the consumer has been closed');
      this.#chosen = way === 'pop' ? this.#byPop : this.#byPull;
    }
    return this.#chosen.open(deadline);
  }

  stream(options: StreamOptions): MessageStream {
    if (this.#chosen === undefined) throw new ClientError('invalid', 'the consumer is not open: open it first');
    return this.#chosen.stream(options);
  }

  ack(receipt: Claim, deadline: Deadline): Promise<void> {
    return isPullClaim(receipt) ? this.#byPull.ack(receipt) : this.#byPop.ack(receipt, deadline);
  }

  ackNow(receipt: Claim): boolean {
    return isPullClaim(receipt) && this.#byPull.ackNow(receipt);
  }

  async nack(receipt: Claim, delayMs: number, deadline: Deadline): Promise<void> {
    if (isPullClaim(receipt)) await this.#byPull.nack(receipt, delayMs, deadline);
    else await this.#byPop.nack(receipt, delayMs, deadline);
  }

  async changeInvisibleDuration(receipt: Claim, durationMs: number, deadline: Deadline): Promise<Receipt> {
    if (isPullClaim(receipt)) return this.#byPull.changeInvisibleDuration(receipt, durationMs);
    return this.#byPop.changeInvisibleDuration(receipt, durationMs, deadline);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#pop?.close(), this.#pull?.close()]);
    this.#parts.onClosed();
  }

  get #byPop(): PopConsumer {
    this.#pop ??= this.#parts.createPop();
    return this.#pop;
  }

  get #byPull(): PullConsumer {
    this.#pull ??= this.#parts.createPull();
    return this.#pull;
  }

  async #choose(deadline: Deadline): Promise<'pop' | 'pull'> {
    const { cluster, requestTimeoutMs, topic, mode } = this.#parts;
    if (mode !== 'auto') return mode;
    const route = (await cluster.routes.find(topic, deadline)) ?? (await cluster.routes.find(defaultTopic, deadline));
    if (route === undefined) throw await cluster.routes.missing(topic, deadline);
    const brokers = await reachBrokers(cluster, { ...route, topic }, deadline, requestTimeoutMs);
    return brokers.every(({ version }) => isVersion5(version)) ? 'pop' : 'pull';
  }
}
