import { describe, expect, test } from 'vitest';
import { type OutgoingMessage, storedProperties } from '../../../src/client/send/outgoing-message.ts';

const plain: OutgoingMessage = { topic: 'topic', body: Buffer.from('body'), delivery: { kind: 'now' } };

describe('storedProperties', () => {
  test('has nothing but the message id where the message has nothing else', () => {
    expect(storedProperties({ ...plain, tag: '', keys: '', shardingKey: '' }, 'ID')).toEqual([['UNIQ_KEY', 'ID']]);
  });

  test('puts the properties of RocketMQ behind those of the user: of two with one name, brokers take the last', () => {
    const message = { ...plain, properties: [['a', '1'] as const], tag: 'tag', keys: 'k1 k2', shardingKey: 'key' };
    expect(storedProperties(message, 'ID', { delivery: ['DELAY', '3'] })).toEqual([
      ['a', '1'],
      ['UNIQ_KEY', 'ID'],
      ['TAGS', 'tag'],
      ['KEYS', 'k1 k2'],
      ['__SHARDINGKEY', 'key'],
      ['DELAY', '3'],
    ]);
  });

  test('marks a half message, with its immunity where it has one', () => {
    const half = { producerGroup: 'group', checkImmunitySeconds: 30 };
    expect(storedProperties(plain, 'ID', { half })).toEqual([
      ['UNIQ_KEY', 'ID'],
      ['TRAN_MSG', 'true'],
      ['PGROUP', 'group'],
      ['CHECK_IMMUNITY_TIME_IN_SECONDS', '30'],
    ]);
    const marked = storedProperties(plain, 'ID', { half: { ...half, checkImmunitySeconds: undefined } });
    expect(marked.map(([name]) => name)).toEqual(['UNIQ_KEY', 'TRAN_MSG', 'PGROUP']);
  });

  test('names the namespace of the sender, where it has one', () => {
    expect(storedProperties(plain, 'ID', { namespace: 'ns' })).toEqual([
      ['UNIQ_KEY', 'ID'],
      ['INSTANCE_ID', 'ns'],
    ]);
    expect(storedProperties(plain, 'ID', { namespace: '' })).toEqual([['UNIQ_KEY', 'ID']]);
  });
});
