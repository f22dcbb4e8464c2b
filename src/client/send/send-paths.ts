import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { Route } from '../cluster/route.ts';
import { type Routes, routeDoubt } from '../cluster/routes.ts';
import { ClientError } from '../errors.ts';
import { BrokerHealth } from './broker-health.ts';
import { hasWellBroker, QueueTurn, queueForKey } from './queue-selector.ts';
import { RetryBudget } from './retry-budget.ts';
import { isRetryable, type SendTries } from './send-tries.ts';

/** Replies of a broker that has too much to do: nothing was stored. */
const busyCodes: ReadonlySet<number> = new Set([ResponseCode.SYSTEM_BUSY, ResponseCode.FLOW_CONTROL]);
/** Replies to a send to a queue that the topic no longer has: 5.x, and 4.x (Java `AbstractSendMessageProcessor.msgCheck`). */
const queueRefusedCodes: ReadonlySet<number> = new Set([ResponseCode.INVALID_PARAMETER, ResponseCode.SYSTEM_ERROR]);

/** What decides where a message may go. */
export interface Addressee {
  readonly topic: string;
  readonly shardingKey: string | undefined;
}

/** Where one try went. */
export interface TriedPath {
  readonly queue: MessageQueue;
  readonly route: Route;
}

/** Which queue the tries of sends go to, what is learned of brokers by it, and whether another try is worth it. */
export class SendPaths {
  readonly #routes: Pick<Routes, 'doubt' | 'findForSend'>;
  readonly #triesMax: number;
  readonly #health = new BrokerHealth();
  readonly #turn = new QueueTurn(this.#health);
  readonly #budget = new RetryBudget();

  constructor(routes: Pick<Routes, 'doubt' | 'findForSend'>, triesMax: number) {
    this.#routes = routes;
    this.#triesMax = triesMax;
  }

  /** A message with a sharding key has one queue, however its broker does. @throws ClientError `noBroker` when there is no queue. */
  select(route: Route, { topic, shardingKey }: Addressee, tries: SendTries): MessageQueue {
    const queue =
      shardingKey === undefined
        ? this.#turn.next(route, tries.failedBrokers)
        : queueForKey(route.writeQueues, shardingKey);
    if (queue === undefined) throw new ClientError('noBroker', `no broker takes messages for topic ${topic} now`);
    return queue;
  }

  /** Runs one request, and learns from how long its answer took. */
  async timed<T>(brokerName: string, request: () => Promise<T>): Promise<T> {
    const sentAtMs = performance.now();
    try {
      const reply = await request();
      this.#health.answered(brokerName, performance.now() - sentAtMs);
      return reply;
    } catch (error) {
      // Whoever gives up after 100 ms has learned that it takes longer than that, no more.
      if (isTimeout(error)) this.#health.answered(brokerName, performance.now() - sentAtMs);
      throw error;
    }
  }

  /** The message is stored. */
  noteStored(brokerName: string): void {
    this.#budget.earn(brokerName);
  }

  /** Learns from a try that failed, and says whether the same message may be sent again. */
  async mayTryAgain(
    { topic, shardingKey }: Addressee,
    { queue, route }: TriedPath,
    tries: SendTries,
    { error, deadline }: { readonly error: unknown; readonly deadline: Deadline },
  ): Promise<boolean> {
    if (isBrokerFailure(error)) this.#health.failed(queue.brokerName);
    const doubt = routeDoubt(error);
    if (doubt !== undefined) this.#routes.doubt(topic, doubt);
    if (tries.count >= this.#triesMax || deadline.remainingMs() === 0) return false;
    if (hasCode(error, queueRefusedCodes) && (await this.#isGone(queue, deadline))) return true;
    if (!isRetryable(error)) return false;
    if (!hasCode(error, busyCodes)) return true;
    const hasOther = shardingKey === undefined && hasWellBroker(route, tries.failedBrokers, this.#health);
    return hasOther || this.#budget.spend(queue.brokerName);
  }

  /** Whether the topic has lost the queue since its route was asked for. */
  async #isGone(queue: MessageQueue, deadline: Deadline): Promise<boolean> {
    this.#routes.doubt(queue.topic, 'brokerGone');
    try {
      const { writeQueues } = await this.#routes.findForSend(queue.topic, deadline);
      return !writeQueues.some(
        ({ brokerName, queueId }) => brokerName === queue.brokerName && queueId === queue.queueId,
      );
    } catch {
      return false;
    }
  }
}

function hasCode(error: unknown, codes: ReadonlySet<number>): boolean {
  return error instanceof ResponseError && codes.has(error.code);
}

function isTimeout(error: unknown): boolean {
  return error instanceof RemotingError && error.kind === 'timeout';
}

/** True for what speaks against the broker, and not against the message or its topic; time that passed is counted as such. */
function isBrokerFailure(error: unknown): boolean {
  if (error instanceof ResponseError) return error.code !== ResponseCode.TOPIC_NOT_EXIST && isRetryable(error);
  return isRetryable(error) && !isTimeout(error);
}
