import { expect, test } from 'vitest';
import { type GateUser, HandlerGate } from '../../../src/client/api/handler-gate.ts';
import { readMessage } from '../../../src/client/received-message.ts';
import { storedAt } from '../../support/pulled-messages.ts';

const receipt = {
  ...{ clientMark: 'a', deliveryNumber: 1 },
  ...{ brokerName: 'b', queueTopic: 't', queueId: 0, queueOffset: 0n },
};
const messageOf = (name: string) =>
  readMessage(storedAt(0), { topic: name, reconsumeTimes: 0, receipt }, Buffer.from(name));

/** A user of a gate, and the messages that were let in. */
function userOf(gate: HandlerGate, onLetIn: (name: string) => void = () => {}) {
  const inside: string[] = [];
  const user: GateUser = {
    letIn({ topic }) {
      inside.push(topic);
      onLetIn(topic);
    },
  };
  return { user, inside, enter: (name: string) => gate.enter(user, messageOf(name)) };
}

test('lets in so many at once, the others in the order in which they came', () => {
  const gate = new HandlerGate(2);
  const { enter, inside } = userOf(gate);
  for (const name of ['a', 'b', 'c', 'd']) enter(name);
  expect(inside).toEqual(['a', 'b']);
  gate.leave();
  expect(inside).toEqual(['a', 'b', 'c']);
  gate.leave();
  gate.leave();
  enter('e');
  expect(inside).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('what is taken back does not enter, and keeps nobody else out', () => {
  const gate = new HandlerGate(1);
  const [one, other] = [userOf(gate), userOf(gate)];
  one.enter('a');
  one.enter('b');
  other.enter('c');
  one.enter('d');
  expect(gate.takeBack(one.user).map(({ topic }) => topic)).toEqual(['b', 'd']);
  gate.leave();
  expect([one.inside, other.inside]).toEqual([['a'], ['c']]);
});

test('lets any number in who leave at once', () => {
  const gate = new HandlerGate(1);
  const held = userOf(gate);
  held.enter('first');
  const { enter, inside } = userOf(gate, () => gate.leave());
  for (let index = 0; index < 20_000; index += 1) enter('m');
  expect(inside.length).toBe(0);
  gate.leave();
  expect(inside.length).toBe(20_000);
});

test('who enters while others are let in comes behind them', () => {
  const gate = new HandlerGate(1);
  const { enter, inside } = userOf(gate, (name) => {
    if (name === 'b') enter('late');
    gate.leave();
  });
  const held = userOf(gate);
  held.enter('first');
  for (const name of ['a', 'b', 'c']) enter(name);
  gate.leave();
  expect(inside).toEqual(['a', 'b', 'c', 'late']);
});
