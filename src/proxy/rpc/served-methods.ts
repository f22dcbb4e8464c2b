import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { RocketMQProxy } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Calls, IncomingCall } from './calls.ts';
import type { Service } from './service.ts';

/** Answers the calls of a method. */
type Serve<Method extends DescMethod> =
  Method extends DescMethodUnary<infer Request, infer Reply>
    ? (request: MessageShape<Request>, call: IncomingCall) => Promise<MessageInitShape<Reply>> | MessageInitShape<Reply>
    : Method extends DescMethodServerStreaming<infer Request, infer Reply>
      ? (request: MessageShape<Request>, call: IncomingCall) => AsyncIterable<MessageInitShape<Reply>>
      : Method extends DescMethodBiDiStreaming<infer Request, infer Reply>
        ? (requests: AsyncIterable<MessageShape<Request>>, call: IncomingCall) => AsyncIterable<MessageInitShape<Reply>>
        : never;

type Serves<Of extends DescService> = { readonly [Name in keyof Of['method']]: Serve<Of['method'][Name]> };

/** A method and what answers its calls, as a table holds it: the request, or the stream of requests, and the answer are of its types. */
export interface ServedMethod {
  readonly method: DescMethod;
  // biome-ignore lint/suspicious/noExplicitAny: which types belong together, only `served` knows.
  readonly serve: (request: any, call: IncomingCall) => any;
}

/** Path of the call whose requests come for as long as its caller likes. */
export const endlessPath = `/${RocketMQProxy.typeName}/${RocketMQProxy.method.publish.name}`;

/** Everything that the gRPC port answers. */
export function createServedMethods(service: Service, calls: Calls): readonly ServedMethod[] {
  const serverReflectionInfo = calls.stream('ServerReflectionInfo', service.reflection.serverReflectionInfo);
  return [
    ...served(RocketMQProxy, rocketmqProxy(service, calls)),
    ...served(Health, {
      check: calls.unary('Health.Check', service.health.check),
      list: calls.unary('Health.List', service.health.list),
      watch: calls.stream('Health.Watch', service.health.watch),
    }),
    ...served(ServerReflection, { serverReflectionInfo }),
    ...served(ServerReflectionAlpha, { serverReflectionInfo }),
  ];
}

function rocketmqProxy(service: Service, calls: Calls): Serves<typeof RocketMQProxy> {
  return {
    createProducer: calls.unary('CreateProducer', service.createProducer),
    sendMessage: calls.unary('SendMessage', service.sendMessage),
    sendOrderedMessage: calls.unary('SendOrderedMessage', service.sendOrderedMessage),
    sendDelayMessage: calls.unary('SendDelayMessage', service.sendDelayMessage),
    sendTransactionMessage: calls.unary('SendTransactionMessage', service.sendTransactionMessage),
    createConsumer: calls.unary('CreateConsumer', service.createConsumer),
    receiveMessages: calls.stream('ReceiveMessages', service.receiveMessages),
    sendMessages: calls.unary('SendMessages', service.sendMessages),
    publish: calls.stream('Publish', service.publish),
    endTransaction: calls.unary('EndTransaction', service.endTransaction),
    receiveTransactionChecks: calls.stream('ReceiveTransactionChecks', service.receiveTransactionChecks),
    recallMessage: calls.unary('RecallMessage', service.recallMessage),
    ackMessage: calls.unary('AckMessage', service.ackMessage),
    ackMessages: calls.unary('AckMessages', service.ackMessages),
    nackMessage: calls.unary('NackMessage', service.nackMessage),
    changeInvisibleDuration: calls.unary('ChangeInvisibleDuration', service.changeInvisibleDuration),
    listProducers: calls.unary('ListProducers', service.listProducers),
    listConsumers: calls.unary('ListConsumers', service.listConsumers),
    getConsumerLag: calls.unary('GetConsumerLag', service.getConsumerLag),
    cleanupProducer: calls.unary('CleanupProducer', service.cleanupProducer),
    cleanupConsumer: calls.unary('CleanupConsumer', service.cleanupConsumer),
    healthCheck: calls.unary('HealthCheck', service.healthCheck),
  };
}

function served<Of extends DescService>(service: Of, serves: Serves<Of>): ServedMethod[] {
  return Object.entries(service.method).map(([name, method]) => ({
    method,
    serve: serves[name as keyof Of['method']],
  }));
}
