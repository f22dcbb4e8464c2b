import type { AllocationStrategy } from '../pull/allocation.ts';
import {
  consistentHashAllocation as byConsistentHash,
  virtualNodeCountDefault,
  virtualNodeCountMax,
} from '../pull/allocation-consistent-hash.ts';
import { checkNumber } from './call.ts';
import { invalidArgument } from './rocketmq-error.ts';

/**
 * Each queue to the member that comes next on a ring of hashes (Java `AllocateMessageQueueConsistentHash`): a member that comes or goes
 * moves few queues, but shares differ in size.
 * @param virtualNodeCount places of each member on the ring, the same for all members: 1 to 10,000.
 * @throws RocketMQError `INVALID_ARGUMENT`.
 */
export function consistentHashAllocation(virtualNodeCount: number = virtualNodeCountDefault): AllocationStrategy {
  checkNumber('virtualNodeCount', virtualNodeCount, { min: 1, max: virtualNodeCountMax });
  return byConsistentHash(virtualNodeCount);
}

/** @throws RocketMQError `INVALID_ARGUMENT` for what is no strategy. */
export function checkStrategy(strategy: AllocationStrategy | undefined): AllocationStrategy | undefined {
  if (strategy === undefined) return undefined;
  if (typeof strategy?.allocate === 'function' && typeof strategy.name === 'string') return strategy;
  throw invalidArgument(
    'allocationStrategy has no name and allocate: take one of the package, such as averageAllocation',
  );
}
