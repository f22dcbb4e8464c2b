import type { GroupSettings } from '../cluster/group-settings.ts';
import type { SettlerParts } from './settler.ts';

/** What all consumers of a client share. */
export interface PopParts extends SettlerParts {
  readonly groups: GroupSettings;
  readonly bodyBytesMax: number;
}
