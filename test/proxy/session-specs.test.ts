import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConsumerSpec,
  decodeConsumerSpec,
  decodeProducerSpec,
  encodeConsumerSpec,
  encodeProducerSpec,
  type ProducerSpec,
  receiptOwner,
} from '../../src/proxy/session-specs.ts';

const text = fc.string({ unit: 'binary' });
const producerFields = {
  endpoint: text,
  accessKeyId: text,
  accessKeySecret: text,
  topic: text,
  createdAtMs: fc.nat(),
  owner: text,
};
const producerSpec: fc.Arbitrary<ProducerSpec> = fc.record(producerFields);
const consumerSpec: fc.Arbitrary<ConsumerSpec> = fc.record({ ...producerFields, group: text, tagExpression: text });

describe('what an id stands for', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(producerSpec, consumerSpec, (producer, consumer) => {
        expect(decodeProducerSpec(encodeProducerSpec(producer))).toEqual(producer);
        expect(decodeConsumerSpec(encodeConsumerSpec(consumer))).toEqual(consumer);
      }),
    );
  });
});

describe('the owner of a receipt', () => {
  it('differs with cluster, group and topic, and with nothing else', () => {
    fc.assert(
      fc.property(consumerSpec, consumerSpec, (one, other) => {
        const isSame = one.endpoint === other.endpoint && one.group === other.group && one.topic === other.topic;
        expect(receiptOwner(one) === receiptOwner(other)).toBe(isSame);
        const { endpoint, group, topic } = one;
        expect(receiptOwner({ ...other, endpoint, group, topic })).toBe(receiptOwner(one));
      }),
    );
  });

  it('does not take one part for another', () => {
    const fields = { accessKeyId: '', accessKeySecret: '', owner: '', tagExpression: '*' };
    const one = receiptOwner({ ...fields, endpoint: 'e', group: 'a","b', topic: 'c' });
    expect(one).not.toBe(receiptOwner({ ...fields, endpoint: 'e', group: 'a', topic: 'b","c' }));
    expect(one).toMatch(/^[\w-]{12}$/);
  });
});
