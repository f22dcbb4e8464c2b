import {
  Code,
  type ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { RocketMQProxy } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../log.ts';
import { type Call, rpcBytesMax } from './call.ts';
import { toFailure } from './failures.ts';
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
        throw reported(name, error, log);
      }
    };

  const stream = <Request, Reply>(name: string, handle: (request: Request, call: Call) => AsyncIterable<Reply>) =>
    async function* (request: Request, context: HandlerContext): AsyncGenerator<Reply> {
      const ended = metrics.callStarted('stream');
      let failed = false;
      try {
        yield* handle(request, callOf(context));
      } catch (error) {
        failed = true;
        throw reported(name, error, log);
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

/** Our own failures are told loudly; what a caller did wrong, or cancelled, only to who listens closely. */
function reported(rpc: string, error: unknown, log: Log): ConnectError {
  const failure = toFailure(error);
  const fields = { rpc, code: Code[failure.code], err: failure.cause ?? failure };
  if (failure.code === Code.Internal) log.error(fields, failure.rawMessage);
  else if (failure.code === Code.Unavailable || failure.code === Code.DeadlineExceeded)
    log.warn(fields, failure.rawMessage);
  else log.debug(fields, failure.rawMessage);
  return failure;
}
