import { encodePopReceipt, type PopReceipt, popReceipts, popReconsumeTimes } from '../../src/remoting/pop-receipt.ts';
import { ackMessage } from '../../src/remoting/requests/ack-message.ts';
import { changeInvisibleDuration } from '../../src/remoting/requests/change-invisible-duration.ts';
import { PopInitMode, popMessage } from '../../src/remoting/requests/pop-message.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';
import type { EngineClient } from './engine-client.ts';

type PopFields = Parameters<typeof popMessage.encode>[0];

export const popGroup = 'eaters';
export const popTopic = 'orders';

/** A message with the receipt that our client makes of the answer. */
export interface Popped {
  readonly body: string;
  readonly stored: StoredMessage;
  readonly receipt: PopReceipt;
  /** As clients know it, from the message or from the lists of an ordered POP. */
  readonly reconsumeTimes: number;
}

export interface PopAnswer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly messages: readonly Popped[];
  readonly bodies: readonly string[];
}

/** POPs of all queues, all messages, without waiting, unless told otherwise. */
export function popContent(changes: Partial<PopFields> = {}) {
  return popMessage.encode({
    consumerGroup: popGroup,
    topic: popTopic,
    queueId: -1,
    messageCountMax: 32,
    invisibleDurationMs: 30_000,
    pollDurationMs: 0,
    bornTimeMs: 1,
    initMode: PopInitMode.MIN,
    order: false,
    ...changes,
  });
}

export async function pop(client: EngineClient, changes: Partial<PopFields> = {}): Promise<PopAnswer> {
  const reply = await client.invoke(popContent(changes), 40_000);
  const stored = decodeStoredMessages(reply.body);
  const fields = stored.length === 0 ? {} : popMessage.decodeReply(reply, 'engine');
  const receipts = stored.length === 0 ? [] : popReceipts(fields, 'broker-a', stored);
  const counts = popReconsumeTimes(fields, stored, receipts);
  const messages = stored.flatMap((message, at): Popped[] => {
    const receipt = receipts[at];
    if (receipt === undefined) return [];
    return [{ body: message.body.toString(), stored: message, receipt, reconsumeTimes: counts[at] ?? 0 }];
  });
  const bodies = messages.map(({ body }) => body);
  return { code: reply.code, remark: reply.remark, fields: { ...reply.extFields }, messages, bodies };
}

/** The one message of an answer. */
export function only({ messages }: PopAnswer): Popped {
  const [message, ...more] = messages;
  if (message === undefined || more.length > 0) throw new Error(`${messages.length} messages, not one`);
  return message;
}

type AckFields = Parameters<typeof ackMessage.encode>[0];

export function receiptFields(receipt: PopReceipt, changes: Partial<AckFields> = {}): AckFields {
  return {
    consumerGroup: popGroup,
    topic: popTopic,
    queueId: receipt.queueId,
    extraInfo: encodePopReceipt(receipt),
    offset: receipt.queueOffset,
    ...changes,
  };
}

/** @returns The code of the answer. */
export async function ack(
  client: EngineClient,
  receipt: PopReceipt,
  changes: Partial<AckFields> = {},
): Promise<number> {
  return (await client.invoke(ackMessage.encode(receiptFields(receipt, changes)))).code;
}

/** The answer, and the receipt that it makes. */
export async function changeInvisible(
  client: EngineClient,
  receipt: PopReceipt,
  invisibleDurationMs: number,
  changes: Partial<AckFields> = {},
) {
  const fields = { ...receiptFields(receipt, changes), invisibleDurationMs };
  const { code, extFields } = await client.invoke(changeInvisibleDuration.encode(fields));
  const changed = {
    ...receipt,
    startOffset: receipt.queueOffset,
    popTimeMs: Number(extFields['popTime']),
    invisibleDurationMs: Number(extFields['invisibleTime']),
    reviveQueueId: Number(extFields['reviveQid']),
  };
  return { code, fields: { ...extFields }, receipt: changed };
}
