import { expect, test } from 'vitest';
import {
  decodeTopicConfigs,
  deleteTopic,
  deleteTopicRoute,
  encodeTopicConfig,
  encodeTopicConfigs,
  getAllTopicConfigs,
  getTopicConfig,
  topicListCountMax,
  updateTopic,
  updateTopics,
} from '../../../src/remoting/requests/topic-config.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const topic = {
  name: 'T',
  readQueueCount: 4,
  writeQueueCount: 2,
  permission: 6,
  sysFlag: 0,
  order: true,
  attributes: { 'message.type': 'FIFO' },
};

/** What `JSONObject.toJSONString(TopicConfig)` of 5.x makes of the same. */
const javaTopic =
  '{"attributes":{"message.type":"FIFO"},"order":true,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG",' +
  '"topicName":"T","topicSysFlag":0,"writeQueueNums":2}';

test('have the codes and the fields that Java writes', () => {
  const fields = { topic: 'T', readQueueCount: 4, writeQueueCount: 2, permission: 6 };
  expect(updateTopic.encode({ ...fields, sysFlag: 0, order: false, attributes: '+a=b' })).toEqual({
    code: 17,
    extFields: {
      topic: 'T',
      readQueueNums: '4',
      writeQueueNums: '2',
      perm: '6',
      topicSysFlag: '0',
      order: 'false',
      attributes: '+a=b',
    },
  });
  const demanded = updateTopic.encode({ ...fields, defaultTopic: 'TBW102', filterType: 'SINGLE_TAG' });
  expect(demanded.extFields).toMatchObject({ defaultTopic: 'TBW102', topicFilterType: 'SINGLE_TAG' });
  expect([updateTopics.code, getAllTopicConfigs.code]).toEqual([18, 21]);
  expect(getTopicConfig.encode({ topic: 'T' })).toEqual({ code: 351, extFields: { topic: 'T' } });
  expect(deleteTopic.encode({ topic: 'T' })).toEqual({ code: 215, extFields: { topic: 'T' } });
  expect(deleteTopicRoute.encode({ topic: 'T' })).toEqual({ code: 216, extFields: { topic: 'T' } });
});

test('a request of a client 4.x has what is needed', () => {
  const extFields = {
    topic: 'T',
    defaultTopic: 'TBW102',
    readQueueNums: '4',
    writeQueueNums: '2',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
  };
  expect(updateTopic.decode({ ...blankCommand, extFields })).toEqual({
    topic: 'T',
    defaultTopic: 'TBW102',
    filterType: 'SINGLE_TAG',
    readQueueCount: 4,
    writeQueueCount: 2,
    permission: 6,
  });
});

test('settings are written as Java writes them', () => {
  expect(encodeTopicConfig(topic).toString()).toBe(javaTopic);
  const version = '{"counter":1,"stateVersion":0,"timestamp":2}';
  expect(encodeTopicConfigs([topic], { counter: 1, timestampMs: 2 }).toString()).toBe(
    `{"dataVersion":${version},"mappingDataVersion":${version},"topicConfigTable":{"T":${javaTopic}},` +
      '"topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{}}',
  );
});

function decode(text: string) {
  return decodeTopicConfigs({ ...blankCommand, body: Buffer.from(text) });
}

test('a list of topics is read, with the defaults of Java', () => {
  expect(decode(`{"topicConfigList":[${javaTopic}]}`)).toEqual([topic]);
  expect(decode('{"topicConfigList":[{"topicName":"T"}]}')).toEqual([
    { ...topic, readQueueCount: 16, writeQueueCount: 16, order: false, attributes: {} },
  ]);
});

test.each([
  ['', 'JSON'],
  ['[]', 'a list of topics'],
  ['{"topicConfigList":{}}', 'topicConfigList'],
  ['{"topicConfigList":[1]}', 'topicConfigList'],
  ['{"topicConfigList":[{}]}', 'topicName'],
  ['{"topicConfigList":[{"topicName":"T","perm":"6"}]}', 'perm'],
  ['{"topicConfigList":[{"topicName":"T","readQueueNums":1.5}]}', 'readQueueNums'],
  ['{"topicConfigList":[{"topicName":"T","attributes":[]}]}', 'attributes'],
])('refuses %s', (text, named) => {
  expect(() => decode(text)).toThrow(
    expect.objectContaining({ kind: 'malformed', message: expect.stringContaining(named) }),
  );
});

test('a list has as many topics as its limit says', () => {
  const list = (count: number) => `{"topicConfigList":[${Array(count).fill('{"topicName":"T"}').join(',')}]}`;
  expect(decode(list(topicListCountMax))).toHaveLength(topicListCountMax);
  expect(() => decode(list(topicListCountMax + 1))).toThrow('at most');
});
