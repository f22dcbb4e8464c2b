import { createHash } from 'node:crypto';
import type { MessageQueue } from '../../remoting/message.ts';
import type { AllocationRequest, AllocationStrategy } from './allocation.ts';

/** As many as Java's client has by default. */
export const virtualNodeCountDefault = 10;
/** Most virtual nodes of a member: each costs a hash for each member and topic, each time that queues are shared out. */
export const virtualNodeCountMax = 10_000;

/** One place of a member on the ring. */
interface VirtualNode {
  readonly hash: number;
  readonly clientId: string;
}

/**
 * Each queue to the member that comes next on a ring of hashes (Java `AllocateMessageQueueConsistentHash`): a member that comes or goes
 * moves few queues, but shares differ in size.
 * @param virtualNodeCount places of each member on the ring, the same for all members; more of them make shares more alike. 1 to 10,000.
 * @throws RangeError when it is not.
 */
export function consistentHashAllocation(virtualNodeCount: number = virtualNodeCountDefault): AllocationStrategy {
  if (!Number.isInteger(virtualNodeCount) || virtualNodeCount < 1 || virtualNodeCount > virtualNodeCountMax) {
    throw new RangeError(
      `virtualNodeCount is ${virtualNodeCount}; give a whole number from 1 to ${virtualNodeCountMax}, the same to all members`,
    );
  }
  return {
    name: 'CONSISTENT_HASH',
    allocate(request) {
      const ring = ringOf(request, virtualNodeCount);
      return request.queues.filter((queue) => memberFor(ring, queue) === request.clientId);
    },
  };
}

/** Sorted by hash. Where two members share a hash the later one has the place, as in Java's map. */
function ringOf({ clientIds }: AllocationRequest, virtualNodeCount: number): readonly VirtualNode[] {
  const nodes = new Map<number, VirtualNode>();
  for (const clientId of clientIds) {
    for (let at = 0; at < virtualNodeCount; at += 1) {
      const hash = hashOf(`${clientId}-${at}`);
      nodes.set(hash, { hash, clientId });
    }
  }
  return [...nodes.values()].sort((one, other) => one.hash - other.hash);
}

/** The member at the first place from the queue's hash on; behind the last comes the first. */
function memberFor(ring: readonly VirtualNode[], { topic, brokerName, queueId }: MessageQueue): string | undefined {
  // Java hashes MessageQueue.toString.
  const hash = hashOf(`MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`);
  let [from, to] = [0, ring.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((ring[middle]?.hash ?? 0) < hash) from = middle + 1;
    else to = middle;
  }
  return ring[from % ring.length]?.clientId;
}

/** The first four bytes of the MD5, as Java `ConsistentHashRouter.MD5Hash`. */
function hashOf(text: string): number {
  return createHash('md5').update(text).digest().readUInt32BE(0);
}
