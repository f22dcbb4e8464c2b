import { type ClientParts, runOnCluster } from '../../client/api/client-parts.ts';
import { toOutgoing } from '../../client/api/message.ts';
import { clientDefaults } from '../../client/options.ts';
import type { CheckedGroups } from '../../client/send/checked-groups.ts';
import { decodeHalf, encodeHalf, halfMessageOf } from '../../client/send/half-messages.ts';
import type { TransactionCheck } from '../../client/send/transaction-checks.ts';
import type { HalfMessage as Half } from '../../client/send/transaction-ends.ts';
import { decidedOutcomes } from '../../client/send/transactions.ts';
import { shownProperties } from '../../client/shown-properties.ts';
import type { TransactionsPort } from '../gateway.ts';
import type { CallOptions, Draft, SettleResult } from '../message.ts';
import { invalid } from '../mq-error.ts';
import type { HalfMessage, HalfResult, TransactionOutcome } from '../transaction.ts';
import { callOf, checkImmunity, messageOf } from './direct-calls.ts';
import { fromClientError } from './direct-errors.ts';
import { DirectHandles } from './direct-handles.ts';

/** How often a stream of checks that waits asks whether its producer is still good, in ms. */
const producerCheckIntervalMs = 1_000;

export interface DirectTransactionsParts {
  readonly client: ClientParts;
  /** As the user names it. */
  readonly topic: string;
  /** As the user names it; undefined: that of the topic's name. */
  readonly producerGroup: string | undefined;
  /** Shared by all producers. */
  readonly checkedGroups: CheckedGroups;
  /** @throws MQError when the producer was cleaned up. */
  readonly check: () => void;
}

/** Transactions of one producer straight at brokers. */
export class DirectTransactions implements TransactionsPort {
  readonly #parts: DirectTransactionsParts;

  constructor(parts: DirectTransactionsParts) {
    this.#parts = parts;
  }

  async begin(draft: Draft, call: CallOptions): Promise<HalfResult> {
    const { client, topic, check } = this.#parts;
    const checkImmunitySeconds = checkImmunity(draft);
    if (draft.deliverTimestampMs > 0n)
      throw invalid('a transaction that the caller ends cannot be delivered later, since RocketMQ would lose it');
    try {
      check();
      const half = { producerGroup: this.#group(), checkImmunitySeconds };
      const outgoing = toOutgoing(messageOf(topic, draft), client.rules);
      const sent = await runOnCluster(client, callOf(call), (cluster, deadline) =>
        cluster.producer.sendHalf(outgoing, half, deadline),
      );
      const pending = halfMessageOf(sent, half.producerGroup);
      const { messageId, transactionId } = pending;
      const transactionHandle = this.#handles().encode(pending);
      return { messageId, receiptHandle: messageId, transactionId, transactionHandle };
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async end(transactionHandle: string, outcome: TransactionOutcome, call: CallOptions): Promise<SettleResult> {
    const { client, check } = this.#parts;
    try {
      check();
      const half = this.#handles().decode(transactionHandle);
      await runOnCluster(client, callOf(call), (cluster, deadline) =>
        cluster.transactionEnds.end(half, decidedOutcomes[outcome], deadline),
      );
    } catch (error) {
      throw fromClientError(error);
    }
    return { success: true, message: `the transaction is ${outcome === 'commit' ? 'committed' : 'rolled back'}` };
  }

  async *checks(signal: AbortSignal): AsyncGenerator<HalfMessage> {
    const { client, topic, checkedGroups, check: checkProducer } = this.#parts;
    try {
      const opened = await checkedGroups.open(client.cluster(), this.#group(), client.rules.fullTopic(topic));
      try {
        await runOnCluster(client, { signal }, (_, deadline) => opened.reach(deadline));
        while (!signal.aborted) {
          checkProducer();
          const check = await opened.waiting.take(signal, producerCheckIntervalMs);
          if (check !== undefined) yield this.#read(check);
        }
      } finally {
        opened.close();
      }
    } catch (error) {
      if (!signal.aborted) throw fromClientError(error);
    }
  }

  /** @throws RocketMQError `INVALID_ARGUMENT`. */
  #group(): string {
    const { client, topic, producerGroup = topic } = this.#parts;
    const group = client.fullGroup(producerGroup);
    // Whatever brokers ask about that group is committed.
    if (group === clientDefaults.producerGroup)
      throw invalid(`the producer group ${group} commits at once: name another one`);
    return group;
  }

  /** @throws RocketMQError `INVALID_ARGUMENT`. */
  #handles(): DirectHandles<Half> {
    const topic = this.#parts.client.rules.fullTopic(this.#parts.topic);
    return new DirectHandles('transaction handle', [topic], {
      encode: encodeHalf,
      decode: (text) => decodeHalf(text, topic),
    });
  }

  #read({ half, body, tag = '', properties }: TransactionCheck): HalfMessage {
    const { messageId, transactionId, bornTimestampMs: bornTimestamp } = half;
    return {
      messageId,
      transactionId,
      transactionHandle: this.#handles().encode(half),
      body: body.toString(),
      bytes: body,
      tag,
      properties: shownProperties(properties),
      bornTimestamp,
    };
  }
}
