import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { RocketMQProxy } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../log.ts';
import { type Call, rpcBytesMax } from './call.ts';
import { failure, toFailure } from './failures.ts';
import { plainGrpcMessages } from './grpc-message.ts';
import type { RequestHandler } from './listener.ts';
import type { ProxyMetrics } from './metrics.ts';
import type { Service } from './service.ts';

/** How much longer JSON may be than protobuf: it writes a control character as six. */
const jsonGrowthMax = 6;
/** Longest deadline that a caller may set, in ms; streams live on without one. */
const timeoutMsMax = 2_147_483_647;

/** Serves gRPC, gRPC-web and Connect with one service. */
export function createRequestHandler(service: Service, metrics: ProxyMetrics, log: Log): RequestHandler {
  const handler = connectNodeAdapter({
    routes: (router: ConnectRouter) => router.service(RocketMQProxy, createImplementation(service, metrics, log)),
    // Connect's own default is 4 GiB.
    readMaxBytes: rpcBytesMax,
    writeMaxBytes: rpcBytesMax * jsonGrowthMax,
    maxTimeoutMs: timeoutMsMax,
    acceptCompression: [compressionGzip],
    // Replies are small or already as dense as their sender made them: compressing them would only cost time.
    compressMinBytes: rpcBytesMax + 1,
  });
  return (request, response) => {
    plainGrpcMessages(request, response);
    handler(request, response);
  };
}

function createImplementation(service: Service, metrics: ProxyMetrics, log: Log): ServiceImpl<typeof RocketMQProxy> {
  const unary =
    <Request, Reply>(name: string, handle: (request: Request, call: Call) => Promise<Reply>) =>
    async (request: Request, context: HandlerContext): Promise<Reply> => {
      const ended = metrics.callStarted();
      try {
        const reply = await handle(request, callOf(context));
        ended(false);
        return reply;
      } catch (error) {
        ended(true);
        throw reported(name, toFailure(error, hasTimedOut(context)), log);
      }
    };

  const stream = <Request, Reply>(name: string, handle: (request: Request, call: Call) => AsyncIterable<Reply>) =>
    async function* (request: Request, context: HandlerContext): AsyncGenerator<Reply> {
      const ended = metrics.callStarted('stream');
      let failed = false;
      try {
        yield* handle(request, callOf(context));
        if (hasTimedOut(context))
          throw failure(Code.DeadlineExceeded, 'DEADLINE', 'the deadline of the call has passed');
      } catch (error) {
        failed = true;
        throw reported(name, toFailure(error, hasTimedOut(context)), log);
      } finally {
        ended(failed);
      }
    };

  return {
    createProducer: unary('CreateProducer', service.createProducer),
    sendMessage: unary('SendMessage', service.sendMessage),
    sendOrderedMessage: unary('SendOrderedMessage', service.sendOrderedMessage),
    sendDelayMessage: unary('SendDelayMessage', service.sendDelayMessage),
    sendTransactionMessage: unary('SendTransactionMessage', service.sendTransactionMessage),
    createConsumer: unary('CreateConsumer', service.createConsumer),
    receiveMessages: stream('ReceiveMessages', service.receiveMessages),
    ackMessage: unary('AckMessage', service.ackMessage),
    cleanupProducer: unary('CleanupProducer', service.cleanupProducer),
    cleanupConsumer: unary('CleanupConsumer', service.cleanupConsumer),
    healthCheck: unary('HealthCheck', service.healthCheck),
  };
}

function callOf(context: HandlerContext): Call {
  return { signal: context.signal, timeoutMs: context.timeoutMs() };
}

/** Whether the caller's own deadline has passed. */
function hasTimedOut({ signal }: HandlerContext): boolean {
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}

/** Our own failures are told loudly; what a caller did wrong, or cancelled, only to who listens closely. */
function reported(rpc: string, error: ConnectError, log: Log): ConnectError {
  const { code, rawMessage, cause } = error;
  const fields = { rpc, code: Code[code], err: cause ?? error };
  if (code === Code.Internal) log.error(fields, rawMessage);
  else if (code === Code.Unavailable || code === Code.DeadlineExceeded) log.warn(fields, rawMessage);
  else log.debug(fields, rawMessage);
  return error;
}
