import type { GroupSettings } from './group-settings.ts';
import type { LiveStreams } from './live-streams.ts';
import type { SettlerParts } from './settler.ts';

/** What all consumers of a client share. */
export interface PopParts extends SettlerParts {
  readonly groups: GroupSettings;
  readonly liveStreams: LiveStreams;
  readonly bodyBytesMax: number;
}
