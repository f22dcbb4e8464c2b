import type { Channel } from '../../remoting/channel.ts';
import type { CommandContent } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import { ackMessage } from '../../remoting/requests/ack-message.ts';
import { type AckedRange, decodeBatchAckReply, encodeBatchAck } from '../../remoting/requests/batch-ack-message.ts';
import { ProtocolVersion } from '../../remoting/version.ts';
import { receiptFields, type Subscriber } from '../subscriber.ts';

/** Most messages of one batch ack. */
const batchMax = 1_024;
/** Longest that the broker may take for its answer, in ms. */
export const ackTimeoutMs = 5_000;

interface PendingAck {
  readonly subscriber: Subscriber;
  readonly receipt: PopReceipt;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Acknowledges messages. Acks for one broker within one turn of the event loop go as one request, which costs the broker far less. */
export class Acks {
  readonly #pending = new Map<Channel, PendingAck[]>();

  /**
   * Settles within 5 s.
   * @throws RemotingError or ResponseError when the broker did not take it; the message may then be delivered again.
   */
  ack(subscriber: Subscriber, receipt: PopReceipt, channel: Channel): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const pending = this.#pending.get(channel);
      const entry = { subscriber, receipt, resolve, reject };
      if (pending !== undefined) {
        pending.push(entry);
        return;
      }
      this.#pending.set(channel, [entry]);
      channel.turn.gather(() => this.#flush(channel));
    });
  }

  #flush(channel: Channel): void {
    const pending = this.#pending.get(channel) ?? [];
    this.#pending.delete(channel);
    const takesBatches = (channel.serverVersion ?? 0) >= ProtocolVersion.V5_1_3;
    const size = takesBatches ? batchMax : 1;
    for (let start = 0; start < pending.length; start += size) send(channel, pending.slice(start, start + size));
  }
}

function send(channel: Channel, acks: readonly PendingAck[]): void {
  const batch = acks.length > 1 ? encodeBatch(acks) : undefined;
  if (batch !== undefined) settle(acks, sendBatch(channel, batch));
  else for (const ack of acks) settle([ack], sendOne(channel, ack));
}

function settle(acks: readonly PendingAck[], sent: Promise<void>): void {
  sent.then(
    () => {
      for (const { resolve } of acks) resolve();
    },
    (error: unknown) => {
      for (const { reject } of acks) reject(error);
    },
  );
}

/** Undefined when one of them does not belong to the checkpoint that it names. */
function encodeBatch(acks: readonly PendingAck[]): CommandContent | undefined {
  try {
    return encodeBatchAck(acks[0]?.receipt.brokerName ?? '', rangesOf(acks));
  } catch (error) {
    if (error instanceof RemotingError) return undefined;
    throw error;
  }
}

async function sendOne(channel: Channel, { subscriber, receipt }: PendingAck): Promise<void> {
  const content = ackMessage.encode(receiptFields(subscriber, receipt));
  ackMessage.decodeReply(await channel.invoke(content, Deadline.after(ackTimeoutMs)), channel.address);
}

async function sendBatch(channel: Channel, content: CommandContent): Promise<void> {
  decodeBatchAckReply(await channel.invoke(content, Deadline.after(ackTimeoutMs)), channel.address);
}

interface Range extends AckedRange {
  readonly queueOffsets: bigint[];
}

/** Joins the acks that share a checkpoint. Mostly those of one POP come together, so the last range is tried first. */
function rangesOf(acks: readonly PendingAck[]): AckedRange[] {
  const ranges: Range[] = [];
  let last: Range | undefined;
  for (const { subscriber, receipt } of acks) {
    if (last === undefined || !isOf(last, subscriber, receipt)) {
      last = ranges.find((range) => isOf(range, subscriber, receipt));
      if (last === undefined) {
        last = rangeOf(subscriber, receipt);
        ranges.push(last);
      }
    }
    last.queueOffsets.push(receipt.queueOffset);
  }
  return ranges;
}

function rangeOf({ group: consumerGroup, topic }: Subscriber, receipt: PopReceipt): Range {
  const { retry, queueId, startOffset, popTimeMs, reviveQueueId, invisibleDurationMs } = receipt;
  const checkpoint = { retry, queueId, startOffset, popTimeMs, reviveQueueId, invisibleDurationMs };
  return { consumerGroup, topic, ...checkpoint, queueOffsets: [] };
}

function isOf(range: Range, { group, topic }: Subscriber, receipt: PopReceipt): boolean {
  return (
    range.popTimeMs === receipt.popTimeMs &&
    range.queueId === receipt.queueId &&
    range.startOffset === receipt.startOffset &&
    range.retry === receipt.retry &&
    range.reviveQueueId === receipt.reviveQueueId &&
    range.invisibleDurationMs === receipt.invisibleDurationMs &&
    range.topic === topic &&
    range.consumerGroup === group
  );
}
