import { describe, expect, test } from 'vitest';
import { DynamicTable, fieldBytes } from '../../../src/http2/hpack/dynamic-table.ts';
import type { HeaderField } from '../../../src/http2/hpack/header-field.ts';

function field(value: string): HeaderField {
  return { name: 'name', value };
}

/** All that a table holds, the newest first. */
function values(table: DynamicTable): string[] {
  return Array.from({ length: table.count }, (_, index) => table.at(index)?.value ?? '');
}

describe('DynamicTable', () => {
  test('counts 32 bytes beyond the octets of a field', () => {
    expect(fieldBytes({ name: 'ab', value: 'cde' })).toBe(37);
  });

  test('holds as much as it may to the byte, and lets the oldest go', () => {
    const gone: string[] = [];
    const table = new DynamicTable(2 * 38, ({ value }) => gone.push(value));
    table.add(field('aa'));
    table.add(field('bb'));
    expect(values(table)).toEqual(['bb', 'aa']);
    table.add(field('c'));
    expect(values(table)).toEqual(['c', 'bb']);
    table.add(field('ddd'));
    expect(values(table)).toEqual(['ddd', 'c']);
    expect(gone).toEqual(['aa', 'bb']);
    expect(table.at(2)).toBeUndefined();
  });

  test('is emptied by a field that is larger than all of it', () => {
    const table = new DynamicTable(38);
    table.add(field('aa'));
    table.add(field('aaa'));
    expect(table.count).toBe(0);
    expect(table.at(0)).toBeUndefined();
    table.add(field('bb'));
    expect(values(table)).toEqual(['bb']);
  });

  test('changes its size', () => {
    const table = new DynamicTable(1_000);
    for (const value of ['aa', 'bb', 'cc']) table.add(field(value));
    table.resize(2 * 38);
    expect(values(table)).toEqual(['cc', 'bb']);
    table.resize(0);
    table.add(field('aa'));
    expect(table.count).toBe(0);
    table.resize(38);
    table.add(field('dd'));
    expect(values(table)).toEqual(['dd']);
  });

  test('keeps its order however much goes through it', () => {
    const table = new DynamicTable(10 * 40);
    for (let added = 1; added <= 1_000; added += 1) {
      table.add(field(String(added).padStart(4, '0')));
      const newest = Array.from({ length: Math.min(added, 10) }, (_, age) => String(added - age).padStart(4, '0'));
      expect(values(table)).toEqual(newest);
    }
  });
});
