import { expect, test } from 'vitest';
import { GroupMembers, type Member, textLengthOf } from '../../src/broker/group-members.ts';
import type { ServerConnection } from '../../src/remoting/server-connection.ts';
import { memoryConnection } from '../support/memory-connection.ts';

function member(group: string, clientId: string, connection: ServerConnection, more: Partial<Member> = {}): Member {
  return { group, clientId, connection, language: 'JAVA', version: 475, heardMs: 0, subscriptions: [], ...more };
}

function open(): ServerConnection {
  return memoryConnection().connection;
}

function idsOf(members: Iterable<Member>): string[] {
  return [...members].map(({ group, clientId }) => `${group}/${clientId}`);
}

test('a client is in a group once, by the connection that it spoke on last', () => {
  const members = new GroupMembers();
  const [old, young] = [open(), open()];
  const first = member('g', 'a', old);
  expect(members.put(first)).toBeUndefined();
  expect(members.put(member('g', 'a', young))).toBe(first);
  expect(members.of('g')).toEqual([member('g', 'a', young)]);
  expect(members.count).toBe(1);
  expect(members.removeConnection(old)).toEqual([]);
  expect(members.remove('g', 'a', old)).toBe(false);
  expect(idsOf(members.of('g'))).toEqual(['g/a']);
  expect(members.remove('g', 'a', young)).toBe(true);
  expect(members.remove('g', 'a', young)).toBe(false);
  expect([members.has('g'), members.groups(), members.count, members.textLength]).toEqual([false, [], 0, 0]);
});

test('a connection takes with it all that came by it, and no others', () => {
  const members = new GroupMembers();
  const [one, other] = [open(), open()];
  for (const group of ['g', 'h']) members.put(member(group, 'a', one));
  members.put(member('g', 'b', other));
  expect(idsOf(members.ofClient('a'))).toEqual(['g/a', 'h/a']);
  expect(idsOf(members.removeConnection(one))).toEqual(['g/a', 'h/a']);
  expect(idsOf(members.ofClient('a'))).toEqual([]);
  expect([members.groups(), members.count]).toEqual([['g'], 1]);
});

test('those not heard of since a time go', () => {
  const members = new GroupMembers();
  const connection = open();
  for (const heardMs of [1, 2, 3]) members.put(member('g', `c${heardMs}`, connection, { heardMs }));
  expect(idsOf(members.removeSilent(3))).toEqual(['g/c1', 'g/c2']);
  expect(idsOf(members.of('g'))).toEqual(['g/c3']);
});

test('knows how much text it holds', () => {
  const members = new GroupMembers();
  const connection = open();
  const subscriptions = [{ topic: 'TT', expression: 'a||b', version: 1 }];
  expect(textLengthOf(member('g', 'abc', connection, { subscriptions }))).toBe(10);
  members.put(member('g', 'abc', connection, { subscriptions }));
  members.put(member('g', 'd', connection));
  expect(members.textLength).toBe(12);
  members.put(member('g', 'abc', connection));
  expect(members.textLength).toBe(6);
  members.removeConnection(connection);
  expect(members.textLength).toBe(0);
});
