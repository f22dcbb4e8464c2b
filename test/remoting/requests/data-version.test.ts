import { expect, test } from 'vitest';
import { writeDataVersion } from '../../../src/remoting/requests/data-version.ts';

test('a version is what Java calls a DataVersion', () => {
  expect(writeDataVersion({ counter: 3, timestampMs: 4 })).toEqual({ counter: 3, stateVersion: 0, timestamp: 4 });
});
