import type { GroupSettings } from './group-settings.ts';
import type { LiveStreams } from './live-streams.ts';
import type { RenewalOptions } from './renewals.ts';
import type { SettlerParts } from './settler.ts';
import type { Subscriber } from './subscriber.ts';
import type { TagFilter } from './tag-filter.ts';

/** What one consumer wants. */
export interface PopConsumerOptions extends RenewalOptions {
  readonly subscriber: Subscriber;
  readonly filter: TagFilter;
  /** How long brokers hold a request while there is nothing, in ms. They are not woken by retried messages, so 5 s at most. */
  readonly pollDurationMs: number;
}

/** What all consumers of a client share. */
export interface PopParts extends SettlerParts {
  readonly groups: GroupSettings;
  readonly liveStreams: LiveStreams;
  readonly bodyBytesMax: number;
}
