import type { Cluster } from '../cluster/cluster.ts';
import type { GroupSettings } from '../cluster/group-settings.ts';
import type { ClientLog } from '../options.ts';
import type { UnreadBytes } from '../unread-bytes.ts';
import type { DeliveryNumbers } from './delivery-numbers.ts';

/** How much of one queue a client holds: what was pulled and is not done. A queue that reaches one of them is not pulled from. */
export interface ProcessQueueLimits {
  /** Messages. */
  readonly messagesMax: number;
  /** Bytes of their bodies. */
  readonly bytesMax: number;
  /** From the first to the last offset: an old message without an ack must not let all later ones come again after a crash. */
  readonly spanMax: number;
}

/** Those of Java's client (`DefaultMQPushConsumer.pullThresholdForQueue`, `pullThresholdSizeForQueue`, `consumeConcurrentlyMaxSpan`). */
export const processQueueLimits: ProcessQueueLimits = {
  messagesMax: 1_000,
  bytesMax: 104_857_600,
  spanMax: 2_000,
};

/** Messages of one pull; brokers give no more than 32 unless configured otherwise. */
export const pullMessagesMax = 32;

/** What all consumers by pull of a client share. */
export interface PullParts {
  readonly cluster: Cluster;
  readonly log: ClientLog;
  readonly groups: GroupSettings;
  readonly deliveryNumbers: DeliveryNumbers;
  readonly limits: ProcessQueueLimits;
  /** Longest wait for the answer to a request that the broker does not hold, in ms. */
  readonly requestTimeoutMs: number;
  /** Longest body that is taken out of a compressed message, in bytes. */
  readonly bodyBytesMax: number;
  /** The bound of what queues hold and nobody was given. */
  readonly unreadBytes: UnreadBytes;
  /** How often the progress of a group is stored at the brokers, in ms. */
  readonly persistIntervalMs: number;
}

/**
 * Whoever takes a queue over begins where it was stored last: a member of a group that does not wait for us, as official ones don't, and
 * everybody after a crash. Java's client has 5 s (`ClientConfig.persistConsumerOffsetInterval`), but stores with each pull besides.
 */
export const persistIntervalMsDefault = 1_000;
