import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConsumerChoices,
  type ConsumerSpec,
  decodeConsumerSpec,
  decodeProducerSpec,
  encodeConsumerSpec,
  encodeProducerSpec,
  type ProducerSpec,
  receiptOwner,
} from '../../../src/proxy/session/session-specs.ts';

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
const plainConsumerSpec = fc.record({ ...producerFields, group: text, tagExpression: text });
const choices: fc.Arbitrary<ConsumerChoices> = fc.record(
  {
    sqlCondition: text,
    consumeFrom: fc.oneof(
      fc.record({ kind: fc.constant('first' as const) }),
      fc.record({ kind: fc.constant('timestamp' as const), timestampMs: fc.maxSafeNat() }),
    ),
    orderly: fc.constant(true),
    invisibleDurationMs: fc.nat(),
    consumeMode: fc.constantFrom('auto', 'pop', 'pull'),
  },
  { requiredKeys: [] },
);
const consumerSpec: fc.Arbitrary<ConsumerSpec> = fc
  .tuple(plainConsumerSpec, choices)
  .map(([plain, chosen]) => (Object.keys(chosen).length === 0 ? plain : { ...plain, choices: chosen }));

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

describe('the choices of a consumer', () => {
  it('take no space in an id where there are none', () => {
    fc.assert(
      fc.property(plainConsumerSpec, (spec) => {
        const { endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner, group, tagExpression } = spec;
        const parts = [endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner, group, tagExpression];
        const bytes = Buffer.from(JSON.stringify(parts));
        for (const none of [{}, { choices: {} }, { choices: { orderly: undefined, sqlCondition: undefined } }])
          expect(encodeConsumerSpec({ ...spec, ...none })).toEqual(bytes);
        // Ids of before there were choices are read as they ever were.
        expect(decodeConsumerSpec(bytes)).toEqual(spec);
      }),
    );
  });

  it('stand in ids by names that stay', () => {
    const plain = { endpoint: 'e', accessKeyId: 'k', accessKeySecret: 's', topic: 't', createdAtMs: 1, owner: 'o' };
    const consumeFrom = { kind: 'timestamp', timestampMs: 2 } as const;
    const all = {
      sqlCondition: 'a > 1',
      consumeFrom,
      orderly: true,
      invisibleDurationMs: 3,
      consumeMode: 'pop',
    } as const;
    const spec = { ...plain, group: 'g', tagExpression: '*', choices: all };
    const text =
      '["e","k","s","t",1,"o","g","*",{"sqlCondition":"a > 1","consumeFrom":{"kind":"timestamp","timestampMs":2},' +
      '"orderly":true,"invisibleDurationMs":3,"consumeMode":"pop"}]';
    expect(encodeConsumerSpec(spec).toString()).toBe(text);
    expect(decodeConsumerSpec(Buffer.from(text))).toEqual(spec);
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
