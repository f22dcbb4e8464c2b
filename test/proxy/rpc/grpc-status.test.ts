import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../src/gen/google/rpc/status_pb.ts';
import { failure } from '../../../src/proxy/rpc/failures.ts';
import { toGrpcStatus } from '../../../src/proxy/rpc/grpc-status.ts';

describe('the gRPC status of a failure', () => {
  it('has its code and text, and no details where there are none', () => {
    expect(toGrpcStatus(new ConnectError('größe', Code.NotFound))).toEqual({ code: 5, message: 'größe' });
  });

  it('has its details as google.rpc.Status', () => {
    const { code, message, details } = toGrpcStatus(failure(Code.InvalidArgument, 'INVALID_REQUEST', 'no topic'));
    expect([code, message]).toEqual([3, 'no topic']);
    const status = fromBinary(StatusSchema, details ?? new Uint8Array());
    expect(status).toMatchObject({ code: 3, message: 'no topic' });
    const infos = status.details.map((detail) => anyUnpack(detail, ErrorInfoSchema));
    expect(infos[0]).toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('keeps details that came from elsewhere as they are', () => {
    const error = new ConnectError('full', Code.ResourceExhausted);
    error.details.push({ type: 'a.B', value: Uint8Array.of(8, 1) });
    const { details } = toGrpcStatus(error);
    const [detail] = fromBinary(StatusSchema, details ?? new Uint8Array()).details;
    expect([detail?.typeUrl, detail?.value]).toEqual(['type.googleapis.com/a.B', Uint8Array.of(8, 1)]);
  });
});
