import { expect, test } from 'vitest';
import {
  integer,
  listOfObjects,
  listOfTexts,
  oneOf,
  optionalText,
  requiredText,
  safeInteger,
} from '../../src/remoting/body-fields.ts';

function malformed(text: string): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'malformed', message: expect.stringContaining(text) });
}

test('a text that must be there has something in it', () => {
  expect(requiredText({ topic: 'T' }, 'topic')).toBe('T');
  for (const topic of [undefined, null, '', 5, ['T'], {}]) {
    expect(() => requiredText({ topic }, 'topic')).toThrow(malformed('the field topic of a body is not a text'));
  }
});

test('a text that may be absent is none, or a text', () => {
  expect([{ a: 'x' }, { a: '' }, { a: null }, {}].map((object) => optionalText(object, 'a'))).toEqual([
    'x',
    '',
    undefined,
    undefined,
  ]);
  expect(() => optionalText({ a: 5 }, 'a')).toThrow(malformed('a of a body'));
});

test('one of a few texts is the first unless it is said', () => {
  const said = [{ mode: 'POP' }, { mode: 'Pop' }, {}, { mode: null }];
  expect(said.map((object) => oneOf(object, 'mode', ['PULL', 'POP']))).toEqual(['POP', 'POP', 'PULL', 'PULL']);
  expect(() => oneOf({ mode: 'PUSH' }, 'mode', ['PULL', 'POP'])).toThrow(malformed('is none of PULL, POP'));
});

test('an int32 keeps to its bounds', () => {
  const most = 2 ** 31 - 1;
  expect([{ n: most }, { n: -most - 1 }, { n: null }, {}].map((object) => integer(object, 'n', 7))).toEqual([
    most,
    -most - 1,
    7,
    7,
  ]);
  for (const n of [most + 1, 0.5, '1', true]) expect(() => integer({ n }, 'n', 7)).toThrow(malformed('not an int32'));
});

test('a list has as many objects as are allowed', () => {
  expect(listOfObjects({ all: [{ a: 1 }, {}] }, 'all', 2)).toEqual([{ a: 1 }, {}]);
  expect([{ all: null }, {}].map((object) => listOfObjects(object, 'all', 0))).toEqual([[], []]);
  expect(() => listOfObjects({ all: [{}, {}, {}] }, 'all', 2)).toThrow(malformed('3 entries; at most 2'));
  expect(() => listOfObjects({ all: {} }, 'all', 2)).toThrow(malformed('not a list'));
  for (const item of ['x', null, [], 3])
    expect(() => listOfObjects({ all: [item] }, 'all', 2)).toThrow(malformed('all'));
});

test('a longer integer keeps to what a number holds', () => {
  expect([{ n: 2 ** 53 - 1 }, { n: -1 }, { n: null }, {}].map((object) => safeInteger(object, 'n'))).toEqual([
    2 ** 53 - 1,
    -1,
    0,
    0,
  ]);
  for (const n of [2 ** 53, 0.5, '1']) expect(() => safeInteger({ n }, 'n')).toThrow(malformed('not an integer'));
});

test('a list of texts holds texts', () => {
  expect([{ l: ['a', ''] }, { l: null }, {}].map((object) => listOfTexts(object, 'l'))).toEqual([['a', ''], [], []]);
  for (const l of ['a', {}, [1]]) expect(() => listOfTexts({ l }, 'l')).toThrow(malformed('not a list of texts'));
});
