import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { codeName, MQError, type MQErrorCode, toMQError } from '../mq-error.ts';

/** Where a server puts the details of a status. */
const detailsKey = 'grpc-status-details-bin';
/** What grpc-js, with code INTERNAL, begins to say of some of the calls that end without an answer, as of those whose connection breaks while it writes. */
const cutOffText = 'Received RST_STREAM';
/** Field `details` of google.rpc.Status. */
const detailsField = 3;

/** What is known of a call that failed. */
export interface FailedCall {
  /** `host:port` of the proxy. */
  readonly address: string;
  /** Whether any of it may have reached a proxy. */
  readonly wasSent: boolean;
  /** Whether it stores messages. */
  readonly isSend: boolean;
}

/** What grpc-js says of a call that failed, as users get it. */
export function fromServiceError(error: unknown, call: FailedCall): MQError {
  if (!(error instanceof Error && 'code' in error && 'details' in error)) return toMQError(error);
  const given = codeName(Number(error.code));
  const details = String(error.details);
  const reason = reasonOf(error);
  if (reason !== undefined) return new MQError(given, reason, details, error);
  const code = details.startsWith(cutOffText) ? 'UNAVAILABLE' : given;
  return new MQError(code, unansweredReason(code, call), `proxy ${call.address}: ${details}`, error);
}

/** Why a call failed that the proxy did not answer. */
function unansweredReason(code: MQErrorCode, { isSend, wasSent }: FailedCall): string {
  if (code === 'CANCELLED') return 'CANCELLED';
  if (code === 'UNAVAILABLE' && !wasSent) return 'PROXY_UNREACHABLE';
  if (isSend && wasSent && outcomeUnknownCodes.has(code)) return 'OUTCOME_UNKNOWN';
  if (code === 'DEADLINE_EXCEEDED') return 'DEADLINE';
  return code === 'UNAVAILABLE' ? 'NO_ANSWER' : code;
}

/** What says nothing of whether a proxy has served the call. */
const outcomeUnknownCodes: ReadonlySet<MQErrorCode> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
  'UNKNOWN',
]);

/** `reason` of the google.rpc.ErrorInfo that every failure of the proxy carries; undefined for one that is not the proxy's. */
function reasonOf(error: Error): string | undefined {
  const metadata = 'metadata' in error && error.metadata instanceof Metadata ? error.metadata : undefined;
  const [status] = metadata?.get(detailsKey) ?? [];
  if (!(status instanceof Uint8Array)) return undefined;
  try {
    return readReason(status);
  } catch {
    // Whoever sent it is no proxy of ours.
    return undefined;
  }
}

function readReason(status: Uint8Array): string | undefined {
  const reader = new BinaryReader(status);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== detailsField) reader.skip(wireType, field);
    else {
      const info = anyUnpack(fromBinary(AnySchema, reader.bytes()), ErrorInfoSchema);
      if (info !== undefined) return info.reason;
    }
  }
  return undefined;
}
