import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import type { ConnectError } from '@connectrpc/connect';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { GrpcStatus } from '../../grpc/status.ts';

/** A failure as gRPC clients are told of it, with its details. */
export function toGrpcStatus({ code, rawMessage: message, details }: ConnectError): GrpcStatus {
  if (details.length === 0) return { code, message };
  const status = create(StatusSchema, { code, message, details: details.map(packed) });
  return { code, message, details: toBinary(StatusSchema, status) };
}

function packed(detail: ConnectError['details'][number]): Any {
  if ('desc' in detail) return anyPack(detail.desc, create(detail.desc, detail.value));
  return create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value });
}
