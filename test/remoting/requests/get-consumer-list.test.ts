import { expect, test } from 'vitest';
import {
  consumerListAnswer,
  decodeConsumerList,
  getConsumerList,
} from '../../../src/remoting/requests/get-consumer-list.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('GET_CONSUMER_LIST_BY_GROUP has the code and the field that Java writes', () => {
  expect(getConsumerList.encode({ consumerGroup: 'g' })).toEqual({ code: 38, extFields: { consumerGroup: 'g' } });
});

test.each(['4.9.7', '5.5.0'])('answers as a broker %s does', (version) => {
  const captured = capturedCommand(`consumer-ids-${version}`);
  expect(decodeConsumerList(captured, 'h:1').toSorted()).toEqual(['fixture-1', 'fixture-2']);
  const answer = consumerListAnswer(decodeConsumerList(captured, 'h:1'));
  expect(answer).toEqual({ code: 0, extFields: {}, body: captured.body });
});

test('nobody is an error, other bodies too', () => {
  expect(() => decodeConsumerList({ ...blankCommand, code: 1 }, 'h:1')).toThrow(expect.objectContaining({ code: 1 }));
  for (const list of ['{"consumerIdList":"x"}', '{"consumerIdList":[1]}', '[]']) {
    expect(() => decodeConsumerList({ ...blankCommand, body: Buffer.from(list) }, 'h:1')).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
  }
});
