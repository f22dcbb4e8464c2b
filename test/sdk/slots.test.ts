import { expect, test } from 'vitest';
import { Slots } from '../../src/sdk/slots.ts';

test('work has its slots: there is room again when one ends, and nothing to do when all have', async () => {
  const slots = new Slots(2);
  const ends: (() => void)[] = [];
  const start = (): void => slots.start(() => new Promise((resolve) => ends.push(resolve)));
  const state = async (): Promise<string> => {
    const turn = new Promise<'no'>((resolve) => setImmediate(() => resolve('no')));
    const [free, idle] = [slots.free().then(() => 'yes'), slots.idle().then(() => 'yes')];
    return `free ${await Promise.race([free, turn])}, idle ${await Promise.race([idle, turn])}`;
  };
  expect(await state()).toBe('free yes, idle yes');
  start();
  expect(await state()).toBe('free yes, idle no');
  start();
  expect(await state()).toBe('free no, idle no');
  ends[0]?.();
  expect(await state()).toBe('free yes, idle no');
  ends[1]?.();
  expect(await state()).toBe('free yes, idle yes');
});

test('nobody waits for what is at work once it is over', async () => {
  const slots = new Slots(1);
  slots.start(() => new Promise(() => {}));
  const waiting = [slots.free(), slots.idle()];
  slots.end();
  await Promise.all([...waiting, slots.free(), slots.idle()]);
});
