import { expect, test } from 'vitest';
import { FilterError } from '../../../src/broker/filters/filter-error.ts';

test('says where the fault is, when it has one place', () => {
  const placed = new FilterError('this text has no end', 7);
  expect(placed).toMatchObject({ name: 'FilterError', character: 7 });
  expect(placed.message).toBe('at character 7 of the expression: this text has no end');
  expect(new FilterError('too long')).toMatchObject({ message: 'too long', character: undefined });
});
