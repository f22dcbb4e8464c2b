import { describe, expect, test } from 'vitest';
import {
  deadLetterTopic,
  groupLengthMax,
  isSystemGroup,
  isSystemTopic,
  popRetryTopicV1,
  popRetryTopicV2,
  replyTopic,
  retryKindOf,
  retryTopic,
  topicLengthMax,
  unwrapNamespace,
  validateGroup,
  validateTopic,
  wrapNamespace,
} from '../../src/remoting/topic-names.ts';

test('topics that brokers make for a group', () => {
  expect(retryTopic('g')).toBe('%RETRY%g');
  expect(deadLetterTopic('g')).toBe('%DLQ%g');
  expect(replyTopic('c')).toBe('c_REPLY_TOPIC');
  expect(popRetryTopicV1('g', 't')).toBe('%RETRY%g_t');
  expect(popRetryTopicV2('g', 't')).toBe('%RETRY%g+t');
});

test('kinds of topics in POP data', () => {
  expect(retryKindOf('t')).toBe('0');
  expect(retryKindOf('%DLQ%g')).toBe('0');
  expect(retryKindOf('t%RETRY%+')).toBe('0');
  expect(retryKindOf(popRetryTopicV1('g', 't'))).toBe('1');
  expect(retryKindOf(popRetryTopicV2('g', 't'))).toBe('2');
});

describe('names of the system', () => {
  test.each(['TBW102', 'SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'rmq_sys_wheel_timer', 'rmq_sys_'])(
    '%s is a topic of the system',
    (name) => {
      expect(isSystemTopic(name)).toBe(true);
    },
  );

  test.each(['orders', 'tbw102', 'my_rmq_sys_', '%RETRY%g', ''])('%j is not', (name) => {
    expect(isSystemTopic(name)).toBe(false);
  });

  test.each(['CID_RMQ_SYS_TRANS', 'TOOLS_CONSUMER', '__MONITOR_CONSUMER', 'CID_ONSAPI_OWNER', 'SELF_TEST_C_GROUP'])(
    '%s is a group of the system',
    (name) => {
      expect(isSystemGroup(name)).toBe(true);
    },
  );

  test.each(['orders', 'CID_orders', 'DEFAULT_CONSUMER', ''])('%j is not', (name) => {
    expect(isSystemGroup(name)).toBe(false);
  });
});

describe('namespaces', () => {
  // What NamespaceUtil of rocketmq-remoting 5.5.0 makes of the same names.
  test.each([
    ['ns', 'topic', 'ns%topic', 'topic'],
    ['ns', 'ns%topic', 'ns%topic', 'topic'],
    ['ns', '%RETRY%group', '%RETRY%ns%group', '%RETRY%group'],
    ['ns', '%DLQ%group', '%DLQ%ns%group', '%DLQ%group'],
    ['ns', '%RETRY%ns%group', '%RETRY%ns%group', '%RETRY%group'],
    ['ns', 'TBW102', 'TBW102', 'TBW102'],
    ['ns', 'rmq_sys_x', 'rmq_sys_x', 'rmq_sys_x'],
    ['ns', 'CID_RMQ_SYS_TRANS', 'CID_RMQ_SYS_TRANS', 'CID_RMQ_SYS_TRANS'],
    ['ns', 'TOOLS_CONSUMER', 'ns%TOOLS_CONSUMER', 'TOOLS_CONSUMER'],
    ['', 'topic', 'topic', 'topic'],
    ['ns', '', '', ''],
    ['ns', 'other%topic', 'ns%other%topic', 'other%topic'],
    ['MQ_INST_1_a', '%RETRY%g_MQ_INST_1_a%t', '%RETRY%MQ_INST_1_a%g_MQ_INST_1_a%t', '%RETRY%g_MQ_INST_1_a%t'],
  ])('%j wraps %j as Java does', (namespace, name, wrapped, unwrapped) => {
    expect(wrapNamespace(namespace, name)).toBe(wrapped);
    expect(unwrapNamespace(namespace, wrapped)).toBe(unwrapped);
  });

  test('a name of another namespace stays as it is', () => {
    expect(unwrapNamespace('ns', 'ns2%topic')).toBe('ns2%topic');
    expect(unwrapNamespace('ns', '%RETRY%other%group')).toBe('%RETRY%other%group');
    expect(unwrapNamespace('', 'ns%topic')).toBe('ns%topic');
  });
});

describe('validation', () => {
  test('lengths are allowed up to the limit', () => {
    expect(validateTopic('t'.repeat(topicLengthMax))).toBeUndefined();
    expect(validateTopic('t'.repeat(topicLengthMax + 1))).toBe('the topic has 128 characters; at most 127 are allowed');
    expect(validateGroup('g'.repeat(groupLengthMax))).toBeUndefined();
    expect(validateGroup('g'.repeat(groupLengthMax + 1))).toBe('the group has 121 characters; at most 120 are allowed');
  });

  test('the retry topic of the longest group is a topic', () => {
    expect(validateTopic(retryTopic('g'.repeat(groupLengthMax)))).toBeUndefined();
    expect(validateTopic(retryTopic('g'.repeat(groupLengthMax + 1)))).toBeDefined();
  });

  test.each(['a', 'A-b_c|d%e9', '%RETRY%g', '0'])('%j is a name', (name) => {
    expect(validateTopic(name)).toBeUndefined();
    expect(validateGroup(name)).toBeUndefined();
  });

  test.each(['', ' ', 'a b', 'a.b', 'a/b', '..', 'ä', 'a+b', 'a\n', '\u0000', 'a\u0001', '订单'])(
    '%j is none',
    (name) => {
      expect(validateTopic(name)).toMatch(/^the topic /);
      expect(validateGroup(name)).toMatch(/^the group /);
    },
  );
});
