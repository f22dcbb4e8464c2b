import { expect, test } from 'vitest';
import {
  decodeTopicList,
  encodeGroupList,
  encodeTopicList,
  getAllTopics,
  getGroupsOfTopic,
  getSystemTopics,
  getSystemTopicsOfBroker,
  getTopicsOfCluster,
  getTopicsOfGroup,
} from '../../../src/remoting/requests/topic-lists.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('have the codes and the fields that Java writes', () => {
  expect([getAllTopics, getSystemTopics, getSystemTopicsOfBroker].map(({ encode }) => encode({}))).toEqual([
    { code: 206, extFields: {} },
    { code: 304, extFields: {} },
    { code: 305, extFields: {} },
  ]);
  expect(getTopicsOfCluster.encode({ cluster: 'c' })).toEqual({ code: 224, extFields: { cluster: 'c' } });
  expect(getTopicsOfGroup.encode({ group: 'g' })).toEqual({ code: 343, extFields: { group: 'g' } });
  expect(getGroupsOfTopic.encode({ topic: 'T' })).toEqual({ code: 300, extFields: { topic: 'T' } });
});

test('lists are written as Java writes them', () => {
  expect(encodeTopicList(['T', 'U']).toString()).toBe('{"topicList":["T","U"]}');
  expect(encodeTopicList([], 'h:1').toString()).toBe('{"brokerAddr":"h:1","topicList":[]}');
  expect(encodeGroupList(new Set(['g'])).toString()).toBe('{"groupList":["g"]}');
});

test('lists are read again', () => {
  expect(decodeTopicList({ ...blankCommand, body: encodeTopicList(['T', 'U'], 'h:1') })).toEqual(['T', 'U']);
  expect(decodeTopicList({ ...blankCommand, body: Buffer.from('{}') })).toEqual([]);
  expect(() => decodeTopicList({ ...blankCommand, body: Buffer.from('{"topicList":[1]}') })).toThrow('topicList');
});
