import { expect, test } from 'vitest';
import {
  type AckedRange,
  answerBatchAck,
  batchAckOffsetsMax,
  batchAckSpanMax,
  decodeBatchAck,
  decodeBatchAckReply,
  encodeBatchAck,
} from '../../../src/remoting/requests/batch-ack-message.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const range: AckedRange = {
  consumerGroup: 'g',
  topic: 'T',
  retry: '0',
  startOffset: 100n,
  queueId: 3,
  reviveQueueId: 2,
  popTimeMs: 1_700_000_000_123,
  invisibleDurationMs: 30_000,
  queueOffsets: [100n, 101n, 109n, 131n],
};

/** What Java's `BatchAckMessageRequestBody.encode()` (5.5.0) writes for `range`. */
const javaBody =
  '{"acks":[{"b":"AwIAgA==","c":"g","it":30000,"pt":1700000000123,"q":3,"r":"0","rq":2,"so":100,"t":"T"}],"brokerName":"broker-a"}';

function bodyOf(ranges: readonly AckedRange[]): unknown {
  return JSON.parse(Buffer.from(encodeBatchAck('broker-a', ranges).body ?? []).toString());
}

test('says what Java says, whatever the order of the offsets', () => {
  expect(bodyOf([range])).toEqual(JSON.parse(javaBody));
  expect(bodyOf([{ ...range, queueOffsets: range.queueOffsets.toReversed() }])).toEqual(JSON.parse(javaBody));
  expect(encodeBatchAck('broker-a', [range])).toMatchObject({ code: 200151, extFields: {} });
});

test('carries any number of ranges, also empty ones', () => {
  expect(bodyOf([])).toEqual({ brokerName: 'broker-a', acks: [] });
  expect(bodyOf([range, { ...range, queueOffsets: [] }])).toMatchObject({ acks: [{ b: 'AwIAgA==' }, { b: '' }] });
});

test('refuses an offset outside its checkpoint instead of allocating for it', () => {
  const bodyFor = (offset: bigint) => () => bodyOf([{ ...range, queueOffsets: [offset] }]);
  expect(bodyFor(100n + 1_048_575n)).not.toThrow();
  for (const offset of [99n, -1n, 100n + 1_048_576n, 2n ** 62n]) {
    expect(bodyFor(offset)).toThrow(
      expect.objectContaining({ kind: 'malformed', message: expect.stringContaining(String(offset)) }),
    );
  }
});

test('takes SUCCESS and throws any other code', () => {
  expect(decodeBatchAckReply(capturedCommand('batch-ack-5.5.0'), 'h:1')).toEqual({});
  expect(() => decodeBatchAckReply({ ...blankCommand, code: 208 }, 'h:1')).toThrow(
    expect.objectContaining({ code: 208 }),
  );
});

function decoded(body: unknown): AckedRange[] {
  return decodeBatchAck({ body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body)) });
}

test('reads what Java writes', () => {
  expect(decoded(javaBody)).toEqual([range]);
  expect(decoded(javaBody.replace('"r":"0",', ''))).toEqual([range]);
  expect(decoded(javaBody.replace('"r":"0"', '"r":"2"'))).toEqual([{ ...range, retry: '2' }]);
});

test('reads what we write', () => {
  const ranges = [range, { ...range, queueOffsets: [] }, { ...range, queueOffsets: [100n + 1_048_575n] }];
  expect(decodeBatchAck({ body: Buffer.from(encodeBatchAck('b', ranges).body ?? []) })).toEqual(ranges);
});

test.each(['', '{}', '{"acks":null}', '{"acks":[]}'])('finds nothing in %j', (body) => {
  expect(decoded(body)).toEqual([]);
});

const ack = { c: 'g', t: 'T', r: '0', so: 0, q: 0, rq: 0, pt: 1, it: 1, b: 'AQ==' };

test.each<unknown>([
  'no JSON',
  [],
  { acks: {} },
  { acks: [1] },
  ...Object.keys(ack)
    .filter((name) => name !== 'r')
    .map((name) => ({ acks: [{ ...ack, [name]: undefined }] })),
  { acks: [{ ...ack, c: 1 }] },
  { acks: [{ ...ack, r: '3' }] },
  { acks: [{ ...ack, r: 0 }] },
  { acks: [{ ...ack, so: 0.5 }] },
  { acks: [{ ...ack, pt: '1' }] },
  { acks: [{ ...ack, b: 1 }] },
])('refuses %j', (body) => {
  expect(() => decoded(body)).toThrow(expect.objectContaining({ kind: 'malformed' }));
});

test('refuses offsets further from their checkpoint than anybody pops', () => {
  const bytes = (length: number): string => Buffer.alloc(length).toString('base64');
  expect(decoded({ acks: [{ ...ack, b: bytes(batchAckSpanMax / 8) }] })).toMatchObject([{ queueOffsets: [] }]);
  expect(() => decoded({ acks: [{ ...ack, b: bytes(batchAckSpanMax / 8 + 1) }] })).toThrow('behind its checkpoint');
});

test('refuses more offsets than a client can have popped', () => {
  const half = { ...ack, b: Buffer.alloc(batchAckOffsetsMax / 16, 0xff).toString('base64') };
  expect(decoded({ acks: [half, half] }).flatMap(({ queueOffsets }) => queueOffsets)).toHaveLength(batchAckOffsetsMax);
  expect(() => decoded({ acks: [half, half, ack] })).toThrow('over 65536 offsets');
});

test('answers as a server', () => {
  expect(answerBatchAck({})).toEqual({ code: 0, extFields: {} });
});
