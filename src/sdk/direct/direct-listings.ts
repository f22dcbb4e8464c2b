import type { ConsumerLag as ClusterLag } from '../../client/admin/consumer-lag.ts';
import type { ConsumerLag } from '../listings.ts';

/** Most entries of a listing, as by proxies. */
const listedMax = 1_000;

/** What is meant of all that there is, the newest first. */
export function newest<T>(made: ReadonlySet<T>, isMeant: (one: T) => boolean): T[] {
  return [...made].reverse().filter(isMeant).slice(0, listedMax);
}

/** As users of the SDK get it. */
export function toConsumerLag({ queues, members }: ClusterLag): ConsumerLag {
  return {
    lag: queues.reduce((sum, { lagCount }) => sum + Number(lagCount), 0),
    queues: queues.map(({ queue, maxOffset, committedOffset, lagCount, isRetry }) => ({
      brokerName: queue.brokerName,
      queueId: queue.queueId,
      maxOffset: Number(maxOffset),
      committedOffset: committedOffset === undefined ? undefined : Number(committedOffset),
      lag: Number(lagCount),
      retry: isRetry,
    })),
    members: members.map(({ clientId, language }) => ({ clientId, language })),
  };
}
