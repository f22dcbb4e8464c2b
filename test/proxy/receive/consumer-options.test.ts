import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ConsumeFrom, ConsumeMode, CreateConsumerRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { invisibleDurationMsMin, toConsumerOptions } from '../../../src/proxy/receive/consumer-options.ts';
import { refusalOf } from '../../support/proxy-parts.ts';

type Request = MessageInitShape<typeof CreateConsumerRequestSchema>;

/** What no name stands for. */
const beyond = <E extends number>(value: number): E => value as E;
const read = (request: Request) => toConsumerOptions(create(CreateConsumerRequestSchema, request));
const refusal = async (request: Request) => refusalOf((async () => read(request))());

describe('the options of a consumer', () => {
  it('choose nothing where a request leaves them out, or says the default', () => {
    for (const request of [{}, { consumeFrom: ConsumeFrom.LAST }])
      expect(read(request)).toEqual({ tagExpression: '*', choices: {} });
  });

  it('are read, each by itself', () => {
    const safest = Number.MAX_SAFE_INTEGER;
    const timestamp = { consumeFrom: ConsumeFrom.TIMESTAMP };
    for (const [request, choices] of [
      [{ sqlExpression: ' a > 1 ' }, { sqlCondition: 'a > 1' }],
      [{ sqlExpression: 'x'.repeat(4_096) }, { sqlCondition: 'x'.repeat(4_096) }],
      [{ consumeFrom: ConsumeFrom.FIRST }, { consumeFrom: { kind: 'first' } }],
      [{ ...timestamp, consumeTimestamp: 1n }, { consumeFrom: { kind: 'timestamp', timestampMs: 1 } }],
      [{ ...timestamp, consumeTimestamp: BigInt(safest) }, { consumeFrom: { kind: 'timestamp', timestampMs: safest } }],
      [{ ordered: true }, { orderly: true }],
      [{ invisibleDurationMs: invisibleDurationMsMin }, { invisibleDurationMs: 1_000 }],
      [{ invisibleDurationMs: 43_200_000 }, { invisibleDurationMs: 43_200_000 }],
      [{ consumeMode: ConsumeMode.AUTO }, { consumeMode: 'auto' }],
      [{ consumeMode: ConsumeMode.POP }, { consumeMode: 'pop' }],
      [{ consumeMode: ConsumeMode.PULL }, { consumeMode: 'pull' }],
    ] as const satisfies [Request, object][]) {
      expect(read(request)).toEqual({ tagExpression: '*', choices });
    }
    expect(read({ tagExpression: 'a||b', ordered: true })).toEqual({
      tagExpression: 'a || b',
      choices: { orderly: true },
    });
  });

  it.each<[Request, string]>([
    [
      { tagExpression: '*', sqlExpression: 'a > 1' },
      'tag_expression and sql_expression are both set: give one of them',
    ],
    [{ sqlExpression: ' ' }, 'the SQL92 condition is empty; write one, or filter by *'],
    [{ sqlExpression: 'x'.repeat(4_097) }, 'the SQL92 condition has 4097 characters; at most 4096 are allowed'],
    [{ consumeFrom: beyond(4) }, 'consume_from is 4, which stands for nothing; it may be 0 to 3'],
    [{ consumeFrom: beyond(-1) }, 'consume_from is -1, which stands for nothing; it may be 0 to 3'],
    [{ consumeMode: beyond(4) }, 'consume_mode is 4, which stands for nothing; it may be 0 to 3'],
    [{ consumeMode: beyond(2 ** 31 - 1) }, 'consume_mode is 2147483647, which stands for nothing; it may be 0 to 3'],
    ...[{}, { consumeFrom: ConsumeFrom.LAST }, { consumeFrom: ConsumeFrom.FIRST }].map((from): [Request, string] => [
      { ...from, consumeTimestamp: 1n },
      'consume_timestamp is set: set consume_from to CONSUME_FROM_TIMESTAMP too, or leave both out',
    ]),
    ...[0n, -1n, 2n ** 53n].map((consumeTimestamp): [Request, string] => [
      { consumeFrom: ConsumeFrom.TIMESTAMP, consumeTimestamp },
      `consume_timestamp is ${consumeTimestamp}; with CONSUME_FROM_TIMESTAMP it is a time in milliseconds since 1970, ` +
        '1 to 9007199254740991',
    ]),
    ...[-1, 999, 43_200_001].map((invisibleDurationMs): [Request, string] => [
      { invisibleDurationMs },
      `invisible_duration_ms is ${invisibleDurationMs}; it may be 1000 to 43200000 milliseconds, 0 for the setting of the proxy`,
    ]),
  ])('are refused: %o', async (request, message) => {
    expect(await refusal(request)).toEqual(['INVALID_REQUEST', message]);
  });
});
