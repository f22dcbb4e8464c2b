import type { MessageQueue } from '../../remoting/message.ts';

/** The question that every member of a group answers for itself. All must come to the same sharing, so they sort alike first. */
export interface AllocationRequest {
  readonly group: string;
  /** The member that asks; it is one of `clientIds`. */
  readonly clientId: string;
  /** All members of the group, in the order of Java's strings (UTF-16 code units). */
  readonly clientIds: readonly string[];
  /** The queues of one topic, by topic, broker name, queue id. */
  readonly queues: readonly MessageQueue[];
}

/** Decides which queues of a topic a member of a group reads. All members, also those in other languages, must have the same one. */
export interface AllocationStrategy {
  /** As Java has it (`AllocateMessageQueueStrategy.getName`). */
  readonly name: string;
  /** The queues of the member that asks; it must depend on nothing but the request. */
  allocate(request: AllocationRequest): readonly MessageQueue[];
}

/** Consecutive queues for each member; the first members get one more where it does not come out even (Java `AllocateMessageQueueAveragely`). */
export const averageAllocation: AllocationStrategy = {
  name: 'AVG',
  allocate({ clientId, clientIds, queues }) {
    const index = clientIds.indexOf(clientId);
    if (index < 0) return [];
    const rest = queues.length % clientIds.length;
    const share = Math.floor(queues.length / clientIds.length);
    const start = index * share + Math.min(index, rest);
    return queues.slice(start, start + share + (index < rest ? 1 : 0));
  },
};

/** The queues in turn, one for each member, until there are no more (Java `AllocateMessageQueueAveragelyByCircle`). */
export const averageByCircleAllocation: AllocationStrategy = {
  name: 'AVG_BY_CIRCLE',
  allocate({ clientId, clientIds, queues }) {
    const index = clientIds.indexOf(clientId);
    return queues.filter((_, at) => index >= 0 && at % clientIds.length === index);
  },
};

/**
 * These queues, whoever else is in the group (Java `AllocateMessageQueueByConfig`): whoever configures all members sees to it that each
 * queue has one. Those that do not exist are left out.
 */
export function configuredAllocation(configured: readonly MessageQueue[]): AllocationStrategy {
  return {
    name: 'CONFIG',
    allocate: ({ queues }) => queues.filter((queue) => configured.some((one) => compareQueues(one, queue) === 0)),
  };
}

/** What a strategy gives a member, whatever order the queues and members come in: each is sorted as all clients sort them. */
export function allocatedQueues(strategy: AllocationStrategy, request: AllocationRequest): readonly MessageQueue[] {
  const queues = request.queues.toSorted(compareQueues);
  // Strings compare by UTF-16 code units in both languages.
  return strategy.allocate({ ...request, clientIds: request.clientIds.toSorted(), queues });
}

/** As Java `MessageQueue.compareTo`. */
function compareQueues(one: MessageQueue, other: MessageQueue): number {
  return (
    compareTexts(one.topic, other.topic) ||
    compareTexts(one.brokerName, other.brokerName) ||
    one.queueId - other.queueId
  );
}

function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
