import { expect, test } from 'vitest';
import { HandlerGate } from '../../../src/client/api/handler-gate.ts';

test('lets in so many at once, the others in the order in which they came', () => {
  const gate = new HandlerGate(2);
  const inside: string[] = [];
  const entered = ['a', 'b', 'c', 'd'].map((name) => gate.enter(() => void inside.push(name)));
  expect([entered, inside]).toEqual([
    [true, true, false, false],
    ['a', 'b'],
  ]);
  gate.leave();
  expect(inside).toEqual(['a', 'b', 'c']);
  gate.leave();
  gate.leave();
  expect(gate.enter(() => void inside.push('e'))).toBe(true);
  expect(inside).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('who is forgotten does not enter, and keeps nobody else out', () => {
  const gate = new HandlerGate(1);
  const inside: string[] = [];
  const enter = (name: string) => {
    const run = (): void => void inside.push(name);
    gate.enter(run);
    return run;
  };
  const [a, b] = [enter('a'), enter('b'), enter('c')];
  expect([gate.forget(a), gate.forget(b)]).toEqual([false, true]);
  gate.leave();
  expect(inside).toEqual(['a', 'c']);
});

test('lets any number in who leave at once', () => {
  const gate = new HandlerGate(1);
  gate.enter(() => {});
  let count = 0;
  for (let index = 0; index < 100_000; index += 1) {
    gate.enter(() => {
      count += 1;
      gate.leave();
    });
  }
  expect(count).toBe(0);
  gate.leave();
  expect(count).toBe(100_000);
});

test('who enters from within waits for those before', () => {
  const gate = new HandlerGate(2);
  const inside: string[] = [];
  gate.enter(() => {
    inside.push('a');
    gate.enter(() => void inside.push('inner'));
    inside.push('a is in');
  });
  expect(inside).toEqual(['a', 'a is in', 'inner']);
});
