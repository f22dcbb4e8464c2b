import { describe, expect, test } from 'vitest';
import { checkNamespace, fullGroup, fullTopic } from '../../../src/client/api/names.ts';

const refused = expect.objectContaining({ name: 'RocketMQError', code: 'INVALID_ARGUMENT' });

describe('names', () => {
  test('have their namespace, once', () => {
    expect(fullTopic('orders', '')).toBe('orders');
    expect(fullTopic('orders', 'shop')).toBe('shop%orders');
    expect(fullTopic('shop%orders', 'shop')).toBe('shop%orders');
    expect(fullGroup('billing', 'shop')).toBe('shop%billing');
    expect(fullTopic('%DLQ%billing', 'shop')).toBe('%DLQ%shop%billing');
  });

  test.each(['', 'a b', 'ü', 'x'.repeat(128), 'TBW102', 'RMQ_SYS_TRANS_HALF_TOPIC'])('%j is no topic', (topic) => {
    expect(() => fullTopic(topic, '')).toThrow(refused);
  });

  test.each(['', 'a b', 'x'.repeat(121), 'TOOLS_CONSUMER', 'CID_RMQ_SYS_X'])('%j is no group', (group) => {
    expect(() => fullGroup(group, '')).toThrow(refused);
  });

  test('lengths count with the namespace', () => {
    expect(fullTopic('x'.repeat(122), 'shop')).toHaveLength(127);
    expect(() => fullTopic('x'.repeat(123), 'shop')).toThrow(/with its namespace, the topic has 128 characters/);
    expect(fullGroup('x'.repeat(115), 'shop')).toHaveLength(120);
    expect(() => fullGroup('x'.repeat(116), 'shop')).toThrow(refused);
  });

  test('a namespace has nothing that names have a use for', () => {
    for (const namespace of ['', 'MQ_INST_1-a', 'x'.repeat(64)]) checkNamespace(namespace);
    for (const namespace of ['a%b', 'a b', 'x'.repeat(65)]) expect(() => checkNamespace(namespace)).toThrow(refused);
  });
});
