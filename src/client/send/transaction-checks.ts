import type { Channel } from '../../remoting/channel.ts';
import type { Command } from '../../remoting/command.ts';
import { decompressBody } from '../../remoting/compression.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { checkTransaction } from '../../remoting/requests/check-transaction.ts';
import { decodeStoredMessages } from '../../remoting/stored-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { HalfMessage } from './transaction-ends.ts';

/** Longest time to find out which broker asks, in ms. */
const routeTimeoutMs = 10_000;

/** What a broker asks about: how this transaction ended. */
export interface TransactionCheck {
  /** The copy that it asks about. */
  readonly half: HalfMessage;
  /** As the producer gave it, decompressed. */
  readonly body: Buffer;
  readonly tag: string | undefined;
  /** All properties, those of RocketMQ too. */
  readonly properties: ReadonlyMap<string, string>;
}

/**
 * Reads CHECK_TRANSACTION_STATE. Brokers of 4.x do not say their name: the route knows it by the address.
 * @returns undefined for what names no message, or no broker.
 * @throws RemotingError `malformed`; what looking the route up fails with.
 */
export async function readCheck(
  request: Command,
  channel: Channel,
  cluster: Pick<Cluster, 'routes'>,
  bodyBytesMax: number,
): Promise<TransactionCheck | undefined> {
  const fields = checkTransaction.decode(request);
  const [message] = decodeStoredMessages(request.body);
  const messageId = message?.properties.get(MessageProperty.UNIQ_KEY);
  if (message === undefined || messageId === undefined) return undefined;
  const { topic, properties, bornTimestampMs } = message;
  const route = await cluster.routes.find(topic, Deadline.after(routeTimeoutMs));
  const [brokerName = fields.brokerName] =
    [...(route?.masters ?? [])].find(([, address]) => address === channel.address) ?? [];
  if (brokerName === undefined) return undefined;
  const half: HalfMessage = {
    topic,
    brokerName,
    queueOffset: fields.transactionStateTableOffset,
    commitLogOffset: fields.commitLogOffset,
    messageId,
    transactionId: fields.transactionId ?? messageId,
    producerGroup: properties.get(MessageProperty.PGROUP) ?? '',
    bornTimestampMs,
    isChecked: true,
  };
  const body = await decompressBody(message, bodyBytesMax);
  return { half, body, tag: properties.get(MessageProperty.TAGS), properties };
}
