import type { WritableObject } from '../json-writer.ts';

/** How old settings are; equal ones mean that nothing has changed (Java `DataVersion`). */
export interface DataVersion {
  readonly counter: number;
  readonly timestampMs: number;
}

export function writeDataVersion({ counter, timestampMs }: DataVersion): WritableObject {
  return { counter, stateVersion: 0, timestamp: timestampMs };
}
