import { expect, test } from 'vitest';
import { alterAttributes, groupAttributes, topicAttributes } from '../../src/broker/attributes.ts';

const fifo = { 'message.type': 'FIFO' };

test.each([
  [{}, {}, {}],
  [fifo, {}, fifo],
  [{}, { '+message.type': 'FIFO' }, fifo],
  [{ 'message.type': 'NORMAL' }, { '+message.type': 'FIFO' }, fifo],
  [fifo, { '-message.type': '' }, {}],
  [{}, { '-message.type': '' }, {}],
])('%j changed by %j is %j', (current, changes, altered) => {
  expect(alterAttributes(current, changes, topicAttributes)).toEqual(altered);
});

test.each(['UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'])('a topic may be for %s', (type) => {
  expect(alterAttributes({}, { '+message.type': type }, topicAttributes)).toEqual({ 'message.type': type });
});

test.each([
  [{ 'message.type': 'FIFO' }, '"message.type"'],
  [{ '*message.type': 'FIFO' }, '"*message.type"'],
  [{ '+message.type': 'fifo' }, '"fifo"'],
  [{ '+message.type': '' }, '""'],
  [{ '+queue.type': 'BatchCQ' }, '"+queue.type"'],
  [{ '-queue.type': '' }, '"-queue.type"'],
  [{ '+toString': 'x' }, '"+toString"'],
  [{ '': '' }, '""'],
])('%j is refused, naming %s', (changes, named) => {
  const refused = expect.objectContaining({
    name: 'RequestRefused',
    code: 29,
    message: expect.stringContaining(named),
  });
  expect(() => alterAttributes(fifo, changes, topicAttributes)).toThrow(refused);
});

test('groups have none', () => {
  expect(() => alterAttributes({}, { '+message.type': 'FIFO' }, groupAttributes)).toThrow('there are none');
});
