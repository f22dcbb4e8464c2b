import { expect, test } from 'vitest';
import { instanceOfEndpoint } from '../../../src/client/cluster/instance-endpoint.ts';

test.each([
  ['http://MQ_INST_123456789_BXSuW61e.mq-internet-access.mq-internet.aliyuncs.com:80', 'MQ_INST_123456789_BXSuW61e'],
  ['MQ_INST_1_a.cn-hangzhou.mq-internal.aliyuncs.com:8080', 'MQ_INST_1_a'],
  [' https://MQ_INST_1_a.x', 'MQ_INST_1_a'],
  ['http://MQ_INST_123.aliyuncs.com:80', undefined],
  ['http://mq_inst_1_a.aliyuncs.com:80', undefined],
  ['http://example.com/MQ_INST_1_a.b', undefined],
  ['MQ_INST_1_a', undefined],
  ['127.0.0.1:9876', undefined],
  ['', undefined],
])('the instance of %j is %j', (endpoint, instance) => {
  expect(instanceOfEndpoint(endpoint)).toBe(instance);
});
