import { retryKindOf } from '../../remoting/topic-names.ts';
import type { TakenQueue } from './take-messages.ts';

/** How a POP's answer lists its messages. */
export interface MessageLists {
  readonly startOffsetInfo: string;
  readonly msgOffsetInfo: string;
  /** How often they came before; other POPs have that in the messages alone. */
  readonly orderCountInfo?: string;
}

/** In the words of Java `ExtraInfoUtil`: `kind queueId value`, joined by semicolons. */
export function messageLists(topic: string, queues: readonly TakenQueue[], order: boolean): MessageLists {
  const kind = retryKindOf(topic);
  const list = (values: (queue: TakenQueue) => string): string => queues.map(values).join(';');
  const lists = {
    startOffsetInfo: list(({ queueId, offsets }) => `${kind} ${queueId} ${lowest(offsets)}`),
    msgOffsetInfo: list(({ queueId, offsets }) => `${kind} ${queueId} ${offsets.join(',')}`),
  };
  return order ? { ...lists, orderCountInfo: list((queue) => orderCounts(kind, queue)) } : lists;
}

function lowest(offsets: readonly number[]): number {
  return offsets.reduce((least, offset) => Math.min(least, offset));
}

/** Those of the messages that came before, and for old clients one of the whole queue. */
function orderCounts(kind: string, { queueId, offsets, reconsumeTimes }: TakenQueue): string {
  const counts = offsets.flatMap((offset, at) => {
    const count = reconsumeTimes[at] ?? 0;
    return count === 0 ? [] : [`${kind} qo${queueId}%${offset} ${count}`];
  });
  return [...counts, `${kind} ${queueId} ${lowest(reconsumeTimes)}`].join(';');
}
