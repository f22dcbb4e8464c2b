import { constants } from 'node:http2';
import type { DescMethod } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect';
import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { RocketMQProxy } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../log.ts';
import { type Call, rpcBytesMax } from './call.ts';
import { anyone, nobody } from './caller.ts';
import type { CallKind, ClientLimits } from './client-limits.ts';
import { CorsPolicy } from './cors.ts';
import { failure, toFailure } from './failures.ts';
import { plainGrpcMessages } from './grpc-message.ts';
import type { RequestHandler } from './listener.ts';
import type { ProxyMetrics } from './metrics.ts';
import { ReplyReader } from './reply-reader.ts';
import { reportFailure } from './reports.ts';
import type { Service } from './service.ts';
import type { Tokens } from './tokens.ts';

/** How much longer JSON may be than protobuf: it writes a control character as six. */
const jsonGrowthMax = 6;
/** Longest deadline that Node's timers can keep, in ms: 24.8 days. */
const timeoutMsMax = 2_147_483_647;

/** Who may call. */
export interface Access {
  /** Unset: everybody. */
  readonly tokens?: Tokens | undefined;
  /** Origins of web pages that may call. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Unset: any number of calls. */
  readonly limits?: ClientLimits | undefined;
}

/** What balancers and probes call, which have no token; it tells only whether the proxy serves. */
const openRpcs: ReadonlySet<string> = new Set(['HealthCheck', 'Health.Check', 'Health.List', 'Health.Watch']);

/** Path of the call whose requests come for as long as its caller likes. */
export const endlessPath = `/${RocketMQProxy.typeName}/${RocketMQProxy.method.publish.name}`;

/** Serves gRPC, gRPC-web and Connect with one service. */
export function createRequestHandler(
  service: Service,
  metrics: ProxyMetrics,
  log: Log,
  access: Access = {},
): RequestHandler {
  const pages = new CorsPolicy(access.corsOrigins ?? []);
  const router = createConnectRouter({
    // Connect's own default is 4 GiB.
    readMaxBytes: rpcBytesMax,
    writeMaxBytes: rpcBytesMax * jsonGrowthMax,
    maxTimeoutMs: timeoutMsMax,
    acceptCompression: [compressionGzip],
    // Replies are small or already as dense as their sender made them: compressing them would only cost time.
    compressMinBytes: rpcBytesMax * jsonGrowthMax + 1,
  });
  const ways = createWays(metrics, log, access);
  router.service(RocketMQProxy, createImplementation(service, ways));
  router.service(Health, {
    check: ways.unary('Health.Check', service.health.check),
    list: ways.unary('Health.List', service.health.list),
    watch: ways.stream('Health.Watch', service.health.watch),
  });
  const serverReflectionInfo = ways.stream('ServerReflectionInfo', service.reflection.serverReflectionInfo);
  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionAlpha, { serverReflectionInfo });
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    if (pages.answer(request, response)) return;
    const handler = handlers.get(request.url?.split('?', 1)[0] ?? '');
    const call = handler === undefined ? undefined : readCall(request, response, handler.method.methodKind);
    if (handler === undefined || call === undefined) {
      response.writeHead(handler === undefined ? 404 : 400).end();
      return;
    }
    plainGrpcMessages(request, response);
    handler(call)
      .then((reply) => universalResponseToNodeResponse(endWith(response, reply, call), response))
      // The caller has gone: there is nobody to tell.
      .catch((error: unknown) => log.debug({ err: error }, 'a reply could not be written'));
  };
}

type NodeRequest = Parameters<RequestHandler>[0];
type NodeResponse = Parameters<RequestHandler>[1];

/** The address that a call comes from. */
const peerKey = createContextKey('');
/** How its caller reads the replies. */
const readerKey = createContextKey<ReplyReader | undefined>(undefined);

/** Undefined for a request whose authority or path makes no URL. */
function readCall(
  request: NodeRequest,
  response: NodeResponse,
  kind: DescMethod['methodKind'],
): UniversalServerRequest | undefined {
  dropFarDeadline(request);
  try {
    const values = createContextValues()
      .set(peerKey, request.socket.remoteAddress ?? '')
      .set(readerKey, kind === 'server_streaming' ? new ReplyReader(() => cut(response)) : undefined);
    const call = universalRequestFromNodeRequest(request, response, undefined, values);
    // Reading that stops at a request which cannot be read would end the whole call, and with it what is still to be answered.
    return 'stream' in request ? { ...call, body: request.iterator({ destroyOnReturn: false }) } : call;
  } catch {
    return undefined;
  }
}

/** A deadline that is further away than timers reach is none: no call lasts that long, and streams live on without one. */
function dropFarDeadline({ headers }: NodeRequest): void {
  const [, grpcCount = '', unit = ''] = /^(\d{1,8})([HMS])$/.exec(String(headers['grpc-timeout'])) ?? [];
  const unitMs = { H: 3_600_000, M: 60_000, S: 1_000 }[unit] ?? 0;
  if (Number(grpcCount) * unitMs > timeoutMsMax) delete headers['grpc-timeout'];
  if (Number(headers['connect-timeout-ms']) > timeoutMsMax) delete headers['connect-timeout-ms'];
}

/**
 * The reply, of which nothing more is made once the caller has gone. Connect waits for a caller that reads slowly, and goes on to
 * wait when that caller has gone.
 */
function endWith(
  response: NodeResponse,
  reply: UniversalServerResponse,
  { contextValues }: UniversalServerRequest,
): UniversalServerResponse {
  if (reply.body === undefined || reply.body === null) return reply;
  const replies = reply.body[Symbol.asyncIterator]();
  const body = contextValues?.get(readerKey)?.inPieces(replies) ?? replies;
  response.once('close', () => void body.return?.().catch(() => {}));
  return { ...reply, body: { [Symbol.asyncIterator]: () => body } };
}

/** Drops what is on its way to the caller. Clients of gRPC read this code as RESOURCE_EXHAUSTED. */
function cut(response: NodeResponse): void {
  if ('stream' in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  else response.destroy();
}

/** How Connect calls a handler that answers once, and one that answers a stream: both are counted, and fail as `failures.ts` says. */
function createWays(metrics: ProxyMetrics, log: Log, { tokens, limits }: Access) {
  /** @returns the call, and what is to be called when it ends. */
  const admit = async (rpc: string, kind: CallKind, context: HandlerContext) => {
    const { signal, values, requestHeader } = context;
    const isOpen = openRpcs.has(rpc);
    const caller = isOpen ? nobody : (tokens?.caller(requestHeader.get('authorization')) ?? anyone);
    const call: Call = { signal, timeoutMs: context.timeoutMs(), caller, reader: values.get(readerKey) };
    if (isOpen || limits === undefined) return { call, leave: () => {} };
    const client = tokens === undefined ? `address ${values.get(peerKey)}` : `token ${caller.name}`;
    const limitOne = () => limits.enter(client, 'unary', signal);
    return { call: { ...call, limitOne }, leave: await limits.enter(client, kind, signal) };
  };

  const unary =
    <Request, Reply>(name: string, handle: (request: Request, call: Call) => Promise<Reply>) =>
    async (request: Request, context: HandlerContext): Promise<Reply> => {
      const ended = metrics.callStarted();
      let leave = (): void => {};
      try {
        const admitted = await admit(name, 'unary', context);
        leave = admitted.leave;
        const reply = await handle(request, admitted.call);
        ended(false);
        return reply;
      } catch (error) {
        ended(true);
        throw reported(name, toFailure(error, hasTimedOut(context)), log);
      } finally {
        leave();
      }
    };

  const stream = <Request, Reply>(name: string, handle: (request: Request, call: Call) => AsyncIterable<Reply>) =>
    async function* (request: Request, context: HandlerContext): AsyncGenerator<Reply> {
      const ended = metrics.callStarted('stream');
      let leave = (): void => {};
      let failed = false;
      try {
        const admitted = await admit(name, 'stream', context);
        leave = admitted.leave;
        for await (const reply of handle(request, admitted.call)) {
          if (admitted.call.caller.hasEnded) throw tokenChanged();
          yield reply;
        }
        if (hasTimedOut(context))
          throw failure(Code.DeadlineExceeded, 'DEADLINE', 'the deadline of the call has passed');
      } catch (error) {
        // Who has gone cannot be told, and what failed may be the writing to them.
        if (context.signal.aborted && !hasTimedOut(context)) return;
        failed = true;
        throw reported(name, toFailure(error, hasTimedOut(context)), log);
      } finally {
        leave();
        ended(failed);
      }
    };

  return { unary, stream };
}

function createImplementation(
  service: Service,
  { unary, stream }: ReturnType<typeof createWays>,
): ServiceImpl<typeof RocketMQProxy> {
  return {
    createProducer: unary('CreateProducer', service.createProducer),
    sendMessage: unary('SendMessage', service.sendMessage),
    sendOrderedMessage: unary('SendOrderedMessage', service.sendOrderedMessage),
    sendDelayMessage: unary('SendDelayMessage', service.sendDelayMessage),
    sendTransactionMessage: unary('SendTransactionMessage', service.sendTransactionMessage),
    createConsumer: unary('CreateConsumer', service.createConsumer),
    receiveMessages: stream('ReceiveMessages', service.receiveMessages),
    sendMessages: unary('SendMessages', service.sendMessages),
    publish: stream('Publish', service.publish),
    endTransaction: unary('EndTransaction', service.endTransaction),
    receiveTransactionChecks: stream('ReceiveTransactionChecks', service.receiveTransactionChecks),
    recallMessage: unary('RecallMessage', service.recallMessage),
    ackMessage: unary('AckMessage', service.ackMessage),
    ackMessages: unary('AckMessages', service.ackMessages),
    nackMessage: unary('NackMessage', service.nackMessage),
    changeInvisibleDuration: unary('ChangeInvisibleDuration', service.changeInvisibleDuration),
    listProducers: unary('ListProducers', service.listProducers),
    listConsumers: unary('ListConsumers', service.listConsumers),
    getConsumerLag: unary('GetConsumerLag', service.getConsumerLag),
    cleanupProducer: unary('CleanupProducer', service.cleanupProducer),
    cleanupConsumer: unary('CleanupConsumer', service.cleanupConsumer),
    healthCheck: unary('HealthCheck', service.healthCheck),
  };
}

function tokenChanged(): ConnectError {
  return failure(Code.Unauthenticated, 'TOKEN_REFUSED', 'the token of this stream has changed: receive again');
}

/** Whether the caller's own deadline has passed. */
function hasTimedOut({ signal }: HandlerContext): boolean {
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}

function reported(rpc: string, error: ConnectError, log: Log): ConnectError {
  reportFailure(log, rpc, error);
  return error;
}
