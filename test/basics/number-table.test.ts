import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberTable } from '../../src/basics/number-table.ts';

/** One thing done to a table and to a Map. */
const step = fc.record({
  what: fc.constantFrom('set', 'set', 'delete'),
  key: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
});

describe('NumberTable', () => {
  it('holds what a Map holds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new NumberTable<{ readonly key: number }>();
        const map = new Map<number, { readonly key: number }>();
        for (const { what, key } of steps) {
          if (what === 'delete') expect(table.delete(key)).toBe(map.delete(key));
          else {
            const value = { key };
            table.set(key, value);
            map.set(key, value);
          }
          expect(table.size).toBe(map.size);
        }
        const keys = [...map.keys()].sort((one, other) => one - other);
        expect([...table.keys()]).toEqual(keys);
        expect([...table.values()]).toEqual(keys.map((key) => map.get(key)));
        for (const { key } of steps) {
          expect(table.get(key)).toBe(map.get(key));
          expect(table.has(key)).toBe(map.has(key));
        }
      }),
    );
  });

  it('finds all of a window that moves on, as ids and opaques do', () => {
    const table = new NumberTable<{ readonly id: number }>();
    const openCount = 500;
    let deletedCount = 0;
    for (let id = 1; id < 50_000; id += 2) {
      table.set(id, { id });
      if (id > 2 * openCount && table.delete(id - 2 * openCount)) deletedCount += 1;
    }
    expect(deletedCount).toBe(25_000 - openCount);
    expect(table.size).toBe(openCount);
    expect(Array.from(table.values(), ({ id }) => id)).toEqual([...table.keys()]);
    expect(table.keys()[0]).toBe(50_000 - 2 * openCount + 1);
  });

  it('lets everything be deleted while it is gone through', () => {
    const table = new NumberTable<{ readonly id: number }>();
    for (let id = 0; id < 100; id += 1) table.set(id, { id });
    for (const { id } of table.values()) table.delete(id);
    expect(table.size).toBe(0);
    expect([...table.values()]).toEqual([]);
  });
});
