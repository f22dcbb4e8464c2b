import { expect, test } from 'vitest';
import { RequestModes, requestModeCountMax } from '../../src/broker/request-modes.ts';
import { StateLog } from '../../src/broker/state-log.ts';
import type { MessageRequestModeSetting } from '../../src/remoting/requests/set-message-request-mode.ts';

const setting: MessageRequestModeSetting = { topic: 'T', consumerGroup: 'g', mode: 'POP', popShareQueueCount: 2 };

test('what is set is there, for its topic and group', async () => {
  const modes = new RequestModes();
  await modes.put(setting, new StateLog([modes]));
  expect([modes.get('T', 'g'), modes.get('T', 'h'), modes.get('U', 'g')]).toEqual([setting, undefined, undefined]);
  await modes.put({ ...setting, mode: 'PULL' }, new StateLog([modes]));
  expect(modes.get('T', 'g')?.mode).toBe('PULL');
});

test('a snapshot makes the same again', async () => {
  const modes = new RequestModes();
  const state = new StateLog([modes]);
  await modes.put(setting, state);
  await modes.put({ ...setting, consumerGroup: 'h' }, state);
  const again = new RequestModes();
  new StateLog([again]).restore(JSON.parse(JSON.stringify(state.snapshot())));
  expect(again.snapshot()).toEqual(modes.snapshot());
  expect(again.get('T', 'h')).toEqual({ ...setting, consumerGroup: 'h' });
});

test('changes that make no sense are refused, whatever they are', () => {
  const modes = new RequestModes();
  for (const change of [null, 5, [], {}, { ...setting, mode: 'PUSH' }, { ...setting, topic: 1 }]) {
    expect(() => modes.apply(change)).toThrow('makes no sense');
  }
  modes.restore('x');
  expect(modes.snapshot()).toEqual([]);
});

test('there are at most so many', async () => {
  const modes = new RequestModes();
  const state = new StateLog([modes]);
  for (let index = 0; index < requestModeCountMax; index += 1) modes.apply({ ...setting, topic: `T${index}` });
  await expect(modes.put(setting, state)).rejects.toMatchObject({ name: 'RequestRefused', code: 1 });
  await modes.put({ ...setting, topic: 'T0', mode: 'PULL' }, state);
  expect(modes.get('T0', 'g')?.mode).toBe('PULL');
});
