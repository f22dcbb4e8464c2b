import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyIndex } from '../../../src/broker/store/key-index.ts';

test('what was added is found, newest first, also after the room that is left was given back', () => {
  const hash = fc.oneof(fc.integer(), fc.integer({ min: 0, max: 5 }));
  fc.assert(
    fc.property(
      fc.array(hash, { maxLength: 2000 }),
      fc.array(hash, { maxLength: 10 }),
      fc.boolean(),
      (added, asked, isTrimmed) => {
        const index = new KeyIndex();
        for (const [at, value] of added.entries()) index.add(value, at * 100);
        if (isTrimmed) index.trim();
        for (const value of [...asked, ...added.slice(0, 10)]) {
          const positions = added.flatMap((other, at) => (other === value ? [at * 100] : []));
          expect([...index.find(value)]).toEqual(positions.toReversed());
        }
      },
    ),
  );
});

test('positions take up to 32 bits', () => {
  const index = new KeyIndex();
  index.add(-1, 2 ** 32 - 1);
  expect([...index.find(-1)]).toEqual([2 ** 32 - 1]);
});

test('a key takes 16 bytes once nothing is added any more', () => {
  const index = new KeyIndex();
  for (let at = 0; at < 100_001; at += 1) index.add(at, at);
  expect(index.indexBytes / 100_001).toBeGreaterThan(16);
  index.trim();
  expect(index.indexBytes / 100_001).toBe(16);
  index.add(-5, 7);
  expect([...index.find(-5), ...index.find(100_000)]).toEqual([7, 100_000]);
});

test('chains stay short for keys that differ in their last characters only', () => {
  const index = new KeyIndex();
  for (let at = 0; at < 100_000; at += 1) index.add(Math.imul(at, 0x0100_0193), at);
  const start = performance.now();
  for (let at = 0; at < 100_000; at += 1) [...index.find(Math.imul(at, 0x0100_0193))];
  expect(performance.now() - start).toBeLessThan(2_000);
});
