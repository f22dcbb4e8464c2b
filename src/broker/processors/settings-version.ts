import type { DataVersion } from '../../remoting/requests/data-version.ts';
import type { Engine } from '../engine.ts';

/** One for the whole run: clients ask for all settings at once, and no replica asks whether they have changed. */
export function settingsVersion({ startedMs }: Engine): DataVersion {
  return { counter: 1, timestampMs: startedMs };
}
