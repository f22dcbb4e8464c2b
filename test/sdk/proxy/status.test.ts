import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { type FailedCall, fromServiceError } from '../../../src/sdk/proxy/status.ts';

/** What grpc-js makes of a status. */
function serviceError(code: status, details?: Uint8Array, text = 'what the server says'): Error {
  const metadata = new Metadata();
  if (details !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(details));
  return Object.assign(new Error('failed'), { code, details: text, metadata });
}

/** google.rpc.Status with details. */
function statusOf(...details: Parameters<typeof toBinary<typeof AnySchema>>[1][]): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(5).tag(2, WireType.LengthDelimited).string('text');
  for (const detail of details) writer.tag(3, WireType.LengthDelimited).bytes(toBinary(AnySchema, detail));
  return writer.finish();
}

const call: FailedCall = { address: 'proxy:1', wasSent: true, isSend: false };

describe('what a proxy says', () => {
  const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: 'TOPIC_NOT_FOUND', domain: 'd' }));
  const retry = anyPack(RetryInfoSchema, create(RetryInfoSchema, {}));

  test('is its code, its reason, its text', () => {
    const error = serviceError(status.NOT_FOUND, statusOf(retry, info));
    expect(fromServiceError(error, call)).toMatchObject({
      code: 'NOT_FOUND',
      reason: 'TOPIC_NOT_FOUND',
      message: 'what the server says',
      cause: error,
    });
  });

  test.each([['none'], ['other'], ['broken']])('with %s details has a reason all the same', (kind) => {
    const details = { none: undefined, other: statusOf(retry), broken: Uint8Array.of(26, 200, 1) }[kind];
    expect(fromServiceError(serviceError(status.UNAVAILABLE, details), call)).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'NO_ANSWER',
      message: 'proxy proxy:1: what the server says',
    });
  });
});

describe('a call without an answer', () => {
  test.each([
    [status.UNAVAILABLE, { isSend: true }, 'OUTCOME_UNKNOWN'],
    [status.DEADLINE_EXCEEDED, { isSend: true }, 'OUTCOME_UNKNOWN'],
    [status.INTERNAL, { isSend: true }, 'OUTCOME_UNKNOWN'],
    [status.UNAVAILABLE, { isSend: true, wasSent: false }, 'PROXY_UNREACHABLE'],
    [status.DEADLINE_EXCEEDED, { isSend: true, wasSent: false }, 'DEADLINE'],
    [status.UNAVAILABLE, {}, 'NO_ANSWER'],
    [status.DEADLINE_EXCEEDED, {}, 'DEADLINE'],
    [status.CANCELLED, { isSend: true }, 'CANCELLED'],
    [status.UNIMPLEMENTED, { isSend: true }, 'UNIMPLEMENTED'],
  ])('%i of %j is %s', (code, changes, reason) => {
    expect(fromServiceError(serviceError(code), { ...call, ...changes }).reason).toBe(reason);
  });

  test.each([
    'Received RST_STREAM with code 2 triggered by internal client error: write EPIPE',
    'Received RST_STREAM with code 0 (Call ended without gRPC status)',
  ])('that was cut off is unavailable, whatever it was cut off by: %s', (text) => {
    const error = serviceError(status.INTERNAL, undefined, text);
    expect(fromServiceError(error, call)).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_ANSWER', retryable: true });
    const send = { ...call, isSend: true };
    expect(fromServiceError(error, send)).toMatchObject({ code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN' });
  });
});

test('other errors are unexpected', () => {
  expect(fromServiceError(new Error('odd'), call)).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' });
});
