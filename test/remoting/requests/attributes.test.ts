import { expect, test } from 'vitest';
import { parseAttributes, readAttributes, writeAttributes } from '../../../src/remoting/requests/attributes.ts';

test.each([
  ['', {}],
  ['+message.type=FIFO', { '+message.type': 'FIFO' }],
  ['+a=1,-b,+c=2', { '+a': '1', '-b': '', '+c': '2' }],
  ['+a=1=2', { '+a': '1=2' }],
  ['+a', { '+a': '' }],
  [',,', {}],
  ['=x', { '': 'x' }],
  ['+__proto__=x', Object.fromEntries([['+__proto__', 'x']])],
])('the changes %j are %j', (text, changes) => {
  expect(parseAttributes(text)).toEqual(changes);
});

test('attributes of a body are texts, or left out', () => {
  expect(readAttributes({ attributes: { '+a': '1' } })).toEqual({ '+a': '1' });
  expect([readAttributes({}), readAttributes({ attributes: null })]).toEqual([{}, {}]);
  for (const attributes of [1, 'a', [], { a: 1 }, { a: null }]) {
    expect(() => readAttributes({ attributes })).toThrow(
      expect.objectContaining({ kind: 'malformed', message: expect.stringContaining('attributes') }),
    );
  }
});

test('changes are written as they are read', () => {
  for (const text of ['', '+message.type=FIFO', '+a=1,-b,+c=1=2'])
    expect(writeAttributes(parseAttributes(text))).toBe(text);
});
