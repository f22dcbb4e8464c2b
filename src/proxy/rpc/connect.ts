import type { JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import type { Cancellation } from '../../basics/ending.ts';
import { rpcBytesMax } from './call.ts';
import type { IncomingCall } from './calls.ts';
import { ReplyReader } from './reply-reader.ts';
import type { ServedMethod } from './served-methods.ts';

/** How much longer JSON may be than protobuf: it writes a control character as six. */
const jsonGrowthMax = 6;
/** Bounds of one request and one reply. Connect's own default is 4 GiB. */
export const connectLimits = { readMaxBytes: rpcBytesMax, writeMaxBytes: rpcBytesMax * jsonGrowthMax } as const;
/** Longest deadline that Node's timers can keep, in ms: 24.8 days. */
const timeoutMsMax = 2_147_483_647;

/** The address that a call comes from. */
const addressKey = createContextKey('');
/** How its caller reads the replies. */
const readerKey = createContextKey<ReplyReader | undefined>(undefined);

/** A request, before Connect has seen it. */
export interface ConnectRequest extends Omit<UniversalServerRequest, 'contextValues'> {
  /** The address that it comes from. */
  readonly address: string;
  /** Drops what is on its way to the caller, so that clients of gRPC read it as RESOURCE_EXHAUSTED. */
  cut(): void;
}

/** Answers a request in whichever protocol it speaks: gRPC, gRPC-web or Connect. Fails only where Connect does. */
export type ConnectHandler = (request: ConnectRequest) => Promise<UniversalServerResponse>;

/** How messages become JSON and back: what one holds as `Any` needs a `registry` of its types. Default: no such message. */
export type JsonOptions = Partial<JsonReadOptions & JsonWriteOptions>;

/** By path. */
export function createConnectHandlers(
  served: readonly ServedMethod[],
  jsonOptions: JsonOptions = {},
): ReadonlyMap<string, ConnectHandler> {
  const router = createConnectRouter({
    ...connectLimits,
    jsonOptions,
    maxTimeoutMs: timeoutMsMax,
    acceptCompression: [compressionGzip],
    // Replies are small or already as dense as their sender made them: compressing them would only cost time.
    compressMinBytes: connectLimits.writeMaxBytes + 1,
  });
  for (const { method, serve } of served) {
    const implementation = (request: unknown, context: HandlerContext) => serve(request, new ContextCall(context));
    // A table of methods cannot tell their types.
    router.rpc(method, implementation as MethodImpl<typeof method>);
  }
  return new Map(router.handlers.map((handler) => [handler.requestPath, handlerOf(handler)]));
}

function handlerOf(handler: UniversalHandler): ConnectHandler {
  const isStream = handler.method.methodKind === 'server_streaming';
  return async ({ address, cut, ...request }) => {
    const reader = isStream ? new ReplyReader(cut) : undefined;
    const contextValues = createContextValues().set(addressKey, address).set(readerKey, reader);
    dropFarDeadline(request.header);
    return readBy(reader, await handler({ ...request, contextValues }));
  };
}

/** A deadline that is further away than timers reach is none: no call lasts that long, and streams live on without one. */
function dropFarDeadline(header: Headers): void {
  const [, grpcCount = '', unit = ''] = /^(\d{1,8})([HMS])$/.exec(header.get('grpc-timeout') ?? '') ?? [];
  const unitMs = { H: 3_600_000, M: 60_000, S: 1_000 }[unit] ?? 0;
  if (Number(grpcCount) * unitMs > timeoutMsMax) header.delete('grpc-timeout');
  if (Number(header.get('connect-timeout-ms')) > timeoutMsMax) header.delete('connect-timeout-ms');
}

function readBy(reader: ReplyReader | undefined, reply: UniversalServerResponse): UniversalServerResponse {
  if (reader === undefined || reply.body === undefined || reply.body === null) return reply;
  const body = reader.inPieces(reply.body[Symbol.asyncIterator]());
  return { ...reply, body: { [Symbol.asyncIterator]: () => body } };
}

/** A call as Connect knows it. */
export class ContextCall implements IncomingCall {
  readonly context: HandlerContext;

  constructor(context: HandlerContext) {
    this.context = context;
  }

  get end(): Cancellation {
    return this.context.signal;
  }

  get hasTimedOut(): boolean {
    const { signal } = this.context;
    const reason: unknown = signal.aborted ? signal.reason : undefined;
    return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  }

  get timeoutMs(): number | undefined {
    return this.context.timeoutMs();
  }

  get address(): string {
    return this.#values.get(addressKey);
  }

  get authorization(): string | undefined {
    return this.context.requestHeader.get('authorization') ?? undefined;
  }

  get reader(): ReplyReader | undefined {
    return this.#values.get(readerKey);
  }

  get #values(): ContextValues {
    return this.context.values;
  }
}
