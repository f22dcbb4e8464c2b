import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { batchRecordsMax, decodeBatch, encodeBatch } from '../../src/remoting/message-batch.ts';
import { propertiesBytesMax } from '../../src/remoting/message-properties.ts';

const one = {
  flag: 0,
  body: Buffer.from('one'),
  properties: new Map([
    ['WAIT', 'true'],
    ['TAGS', 'TagA'],
  ]),
};
const two = {
  flag: 5,
  body: Buffer.from('two'),
  properties: new Map([
    ['k', 'v'],
    ['WAIT', 'true'],
  ]),
};

// MessageDecoder.encodeMessages of rocketmq-common 5.5.0, for the same two messages.
const encodedByJava =
  '0000002d000000000000000000000000000000036f6e6500145741495401747275650254414753015461674102' +
  '000000270000000000000000000000050000000374776f000e6b01760257414954017472756502';

describe('encodeBatch', () => {
  test('writes what Java writes', () => {
    expect(encodeBatch([one, two]).toString('hex')).toBe(encodedByJava);
  });

  test('writes properties that are encoded already before the others, within the same limit', () => {
    const propertyBytes = Buffer.from('größe\u00015\u0002');
    const [record] = decodeBatch(encodeBatch([{ ...one, propertyBytes }]));
    expect([...(record?.properties ?? [])]).toEqual([['größe', '5'], ...one.properties]);
    const largest = { flag: 0, body: one.body, properties: [], propertyBytes: Buffer.alloc(propertiesBytesMax, 'x') };
    expect(() => encodeBatch([largest])).not.toThrow();
    expect(() => encodeBatch([{ ...largest, properties: [['k', 'v']] }])).toThrow(RemotingError);
  });

  test('takes properties up to the limit, and no more', () => {
    const record = (valueBytes: number) => ({ ...one, properties: new Map([['k', 'v'.repeat(valueBytes)]]) });
    const largest = record(propertiesBytesMax - 3);
    expect(decodeBatch(encodeBatch([largest]))).toEqual([largest]);
    expect(() => encodeBatch([record(propertiesBytesMax - 2)])).toThrow(RemotingError);
  });

  test('takes records up to the limit, and no more', () => {
    const empty = { flag: 0, body: Buffer.alloc(0), properties: new Map<string, string>() };
    const most = encodeBatch(new Array(batchRecordsMax).fill(empty));
    expect(decodeBatch(most)).toHaveLength(batchRecordsMax);
    expect(() => encodeBatch(new Array(batchRecordsMax + 1).fill(empty))).toThrow(RemotingError);
    expect(() => decodeBatch(Buffer.concat([most, encodeBatch([empty])]))).toThrow(RemotingError);
  });
});

describe('decodeBatch', () => {
  test('reads what Java wrote, bodies as views', () => {
    const bytes = Buffer.from(encodedByJava, 'hex');
    const records = decodeBatch(bytes);
    expect(records).toEqual([one, two]);
    expect(records[0]?.body.buffer).toBe(bytes.buffer);
  });

  test('reads what rocketmq-common 4.9.7 writes, which does not end the last property', () => {
    const bytes = Buffer.from(
      '0000002c000000000000000000000000000000036f6e65001357414954017472756502544147530154616741',
      'hex',
    );
    expect(decodeBatch(bytes)).toEqual([one]);
  });

  test('no bytes are no records', () => {
    expect(decodeBatch(Buffer.alloc(0))).toEqual([]);
  });

  test('a cut anywhere but between records is malformed', () => {
    const bytes = Buffer.from(encodedByJava, 'hex');
    for (let end = 1; end < bytes.length; end += 1) {
      if (end === 0x2d) expect(decodeBatch(bytes.subarray(0, end))).toEqual([one]);
      else expect(() => decodeBatch(bytes.subarray(0, end))).toThrow(RemotingError);
    }
  });

  test.each([
    ['size', 0],
    ['body length', 16],
  ])('a %s that is off is malformed', (_, at) => {
    for (const value of [-1, 0, 2, 21, 0x2c, 0x2e, 0x7fff_ffff, -0x8000_0000]) {
      const bytes = Buffer.from(encodedByJava, 'hex');
      bytes.writeInt32BE(value, at);
      expect(() => decodeBatch(bytes)).toThrow(RemotingError);
    }
  });

  test('gives back what was encoded', () => {
    const record = fc.record({
      flag: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
      body: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      properties: fc
        .array(fc.tuple(fc.stringMatching(/^[a-zäß]{1,8}$/), fc.stringMatching(/^[a-z€ ]{1,8}$/)))
        .map((pairs) => new Map(pairs)),
    });
    fc.assert(
      fc.property(fc.array(record), (records) => {
        expect(decodeBatch(encodeBatch(records))).toEqual(records);
      }),
    );
  });
});
