import type { Channel } from '../../remoting/channel.ts';
import type { Command } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { unregisterClient } from '../../remoting/requests/unregister-client.ts';
import { decodeStoredMessages } from '../../remoting/stored-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import type { Producer } from './producer.ts';
import { readCheck, type TransactionCheck } from './transaction-checks.ts';
import { type TransactionChecker, Transactions } from './transactions.ts';

/** Longest wait for a broker to take a group off, in ms. */
const leaveTimeoutMs = 3_000;
/** Longest wait for ends on their way and for checkers at work, in ms; brokers then ask other members of the group. */
export const settleTimeoutMs = 5_000;

/** A producer group that this client is a member of, of whose transactions it knows the ends. */
export interface TransactionGroup {
  readonly transactions: Transactions;
  /** From now on brokers ask other members of the group. Resolves when they have heard of all ends, as far as they answer. Never fails. */
  leave(): Promise<void>;
}

/** A producer group that this client is a member of, of whose transactions others know the ends. */
export interface CheckedGroup {
  /**
   * Makes sure that the brokers of a topic know that they can ask here, those that can be reached.
   * @throws as `ClusterClient.checkTopic`, where none can be.
   */
  reach(topic: string, deadline: Deadline): Promise<void>;
  /** From now on brokers ask other members of the group. Never fails. */
  leave(): Promise<void>;
}

interface Parts {
  readonly cluster: Cluster;
  readonly producer: Producer;
  readonly log: ClientLog;
  /** Of the client's own producer group. */
  readonly own: Transactions;
  readonly producerGroup: string;
  /** Longest body that is taken out of a compressed message, in bytes. */
  readonly bodyBytesMax: number;
}

/** Who is asked about the transactions of a group. */
type Member = Pick<Transactions, 'answerCheck' | 'settled'>;

/** The producer groups of one client. Brokers ask any member of a group about its transactions, so each group has a checker of its own. */
export class TransactionGroups {
  readonly #parts: Parts;
  readonly #joined = new Map<string, Member>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Groups that this client is a member of, besides its own. */
  get count(): number {
    return this.#joined.size;
  }

  /**
   * Makes this client a member of a producer group, and tells it to the brokers that it is connected to.
   * @throws ClientError `invalid` when it is one already.
   */
  join(group: string, checker: TransactionChecker): TransactionGroup {
    const { producer, log } = this.#parts;
    const transactions = new Transactions(producer, group, checker, log);
    return { transactions, leave: this.#enter(group, transactions) };
  }

  /**
   * As `join`, where nobody here knows how transactions end: `onCheck` gets what brokers ask, and is free to answer it by
   * `TransactionEnds.end`, or not.
   * @throws ClientError `invalid` when it is a member already.
   */
  listen(group: string, onCheck: (check: TransactionCheck) => void): CheckedGroup {
    const { cluster, log, bodyBytesMax } = this.#parts;
    const answerCheck = (request: Command, channel: Channel): void => {
      readCheck(request, channel, cluster, bodyBytesMax).then(
        (check) => check === undefined || onCheck(check),
        (error: unknown) => log.warn({ err: error, group }, 'a check of a transaction cannot be read'),
      );
    };
    const leave = this.#enter(group, { answerCheck, settled: async () => {} });
    return { leave, reach: (topic, deadline) => this.#reach(topic, deadline) };
  }

  /** Answers a broker that asks how a transaction ended. What is asked about a group that was left is not for us to say. */
  answerCheck(request: Command, channel: Channel): void {
    const [halfMessage] = decodeStoredMessages(request.body);
    const { own, producerGroup } = this.#parts;
    const group = halfMessage?.properties.get(MessageProperty.PGROUP) ?? producerGroup;
    const member = this.#joined.get(group) ?? (group === producerGroup ? own : undefined);
    member?.answerCheck(request, channel);
  }

  /** Resolves when brokers have heard of the ends of all transactions of this client, as far as they answer. Never fails. */
  async settled(): Promise<void> {
    const deadline = Deadline.after(settleTimeoutMs);
    await Promise.all(
      [this.#parts.own, ...this.#joined.values()].map((transactions) => transactions.settled(deadline)),
    );
  }

  /** @returns what leaves the group again. */
  #enter(group: string, member: Member): () => Promise<void> {
    const { cluster } = this.#parts;
    if (this.#joined.has(group)) {
      throw new ClientError('invalid', `this client is a member of producer group ${group} already: use that one`);
    }
    this.#joined.set(group, member);
    const forget = cluster.heartbeats.joinProducers(group);
    void cluster.heartbeats.beatAll(cluster.brokers.all);
    return async () => {
      if (this.#joined.get(group) !== member) return;
      this.#joined.delete(group);
      forget();
      await Promise.all([this.#takeOff(group), member.settled(Deadline.after(settleTimeoutMs))]);
    };
  }

  async #reach(topic: string, deadline: Deadline): Promise<void> {
    const { cluster } = this.#parts;
    const route = await cluster.routes.findForSend(topic, deadline);
    const told = [...route.masters.keys()].map(async (brokerName) => {
      await cluster.heartbeats.tell(await cluster.broker(route, brokerName, deadline), deadline);
    });
    await firstOf(told, `no broker of topic ${topic} is up now`);
  }

  async #takeOff(group: string): Promise<void> {
    const { clientId, brokers } = this.#parts.cluster;
    const request = unregisterClient.encode({ clientId, producerGroup: group });
    const asked = brokers.all.map((channel) => channel.invoke(request, Deadline.after(leaveTimeoutMs)));
    // A broker that does not hear it forgets the member when its heartbeats have stopped naming the group.
    await Promise.allSettled(asked);
  }
}

/** Waits for all, and fails where all do. */
async function firstOf(tries: readonly Promise<void>[], missing: string): Promise<void> {
  const outcomes = await Promise.allSettled(tries);
  if (outcomes.some(({ status }) => status === 'fulfilled')) return;
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  throw failed?.reason ?? new ClientError('noBroker', missing);
}
