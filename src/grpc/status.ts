/** Codes of a gRPC status, as the gRPC specification numbers them. */
export const StatusCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** How a call ends. */
export interface GrpcStatus {
  /** Of `StatusCode`. */
  readonly code: number;
  /** For people; may be empty. */
  readonly message: string;
  /** A google.rpc.Status in protobuf, which repeats code and message. */
  readonly details?: Uint8Array | undefined;
}

/** A call that ends with a status other than OK. */
export class GrpcError extends Error implements GrpcStatus {
  override readonly name = 'GrpcError';
  readonly code: number;
  readonly details: Uint8Array | undefined;

  constructor(code: number, message: string, options: ErrorOptions & { readonly details?: Uint8Array } = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details;
  }
}

/** The status of whatever a handler threw: its own where it is a GrpcError; callers are told nothing of any other. */
export function statusOf(error: unknown): GrpcStatus {
  return error instanceof GrpcError ? error : { code: StatusCode.UNKNOWN, message: 'the handler of the call failed' };
}
