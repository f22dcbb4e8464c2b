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
import { type TransactionChecker, Transactions } from './transactions.ts';

/** Longest wait for a broker to take a group off, in ms. */
const leaveTimeoutMs = 3_000;
/** Longest wait for ends on their way and for checkers at work, in ms; brokers then ask other members of the group. */
const settleTimeoutMs = 5_000;

/** A producer group that this client is a member of. */
export interface TransactionGroup {
  readonly transactions: Transactions;
  /** From now on brokers ask other members of the group. Resolves when they have heard of all ends, as far as they answer. Never fails. */
  leave(): Promise<void>;
}

interface Parts {
  readonly cluster: Cluster;
  readonly producer: Producer;
  readonly log: ClientLog;
  /** Of the client's own producer group. */
  readonly own: Transactions;
}

/** The producer groups of one client. Brokers ask any member of a group about its transactions, so each group has a checker of its own. */
export class TransactionGroups {
  readonly #parts: Parts;
  readonly #joined = new Map<string, Transactions>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Makes this client a member of a producer group, and tells it to the brokers that it is connected to.
   * @throws ClientError `invalid` when it is one already.
   */
  join(group: string, checker: TransactionChecker): TransactionGroup {
    const { cluster, producer, log } = this.#parts;
    if (this.#joined.has(group)) {
      throw new ClientError('invalid', `this client is a member of producer group ${group} already: use that one`);
    }
    const transactions = new Transactions(producer, group, checker, log);
    this.#joined.set(group, transactions);
    const forget = cluster.heartbeats.joinProducers(group);
    void cluster.heartbeats.beatAll(cluster.brokers.all);
    return {
      transactions,
      leave: async () => {
        if (this.#joined.get(group) !== transactions) return;
        this.#joined.delete(group);
        forget();
        await Promise.all([this.#takeOff(group), transactions.settled(Deadline.after(settleTimeoutMs))]);
      },
    };
  }

  /** Answers a broker that asks how a transaction ended. */
  answerCheck(request: Command, channel: Channel): void {
    const [halfMessage] = decodeStoredMessages(request.body);
    const group = halfMessage?.properties.get(MessageProperty.PGROUP) ?? '';
    (this.#joined.get(group) ?? this.#parts.own).answerCheck(request, channel);
  }

  /** Resolves when brokers have heard of the ends of all transactions of this client, as far as they answer. Never fails. */
  async settled(): Promise<void> {
    const deadline = Deadline.after(settleTimeoutMs);
    await Promise.all(
      [this.#parts.own, ...this.#joined.values()].map((transactions) => transactions.settled(deadline)),
    );
  }

  async #takeOff(group: string): Promise<void> {
    const { clientId, brokers } = this.#parts.cluster;
    const request = unregisterClient.encode({ clientId, producerGroup: group });
    const asked = brokers.all.map((channel) => channel.invoke(request, Deadline.after(leaveTimeoutMs)));
    // A broker that does not hear it forgets the member when its heartbeats have stopped naming the group.
    await Promise.allSettled(asked);
  }
}
