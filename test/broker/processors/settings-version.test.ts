import { expect, test } from 'vitest';
import { settingsVersion } from '../../../src/broker/processors/settings-version.ts';
import { startTestEngine } from '../../support/engine-client.ts';

test('is the same for the whole run', async () => {
  const { engine } = await startTestEngine();
  expect(settingsVersion(engine)).toEqual({ counter: 1, timestampMs: engine.startedMs });
  expect(settingsVersion(engine)).toEqual(settingsVersion(engine));
});
