import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { isReservedProperty, MessageProperty } from '../../remoting/message.ts';
import { hasPropertySeparator } from '../../remoting/message-properties.ts';
import { ClientError } from '../errors.ts';
import type { ClientObserver, SendKind } from '../observer.ts';
import type { ReceivedMessage } from '../received-message.ts';
import type { OutgoingMessage, SendResult } from '../send/outgoing-message.ts';
import { Attribute, Metric, messagingSystem, type OperationType } from './conventions.ts';
import {
  type OtelApi,
  type OtelAttributes,
  type OtelContext,
  type OtelHistogram,
  type OtelSpan,
  SpanKind,
  spanStatusError,
} from './otel-api.ts';

/** Name of the tracer and the meter. */
const scope = 'rocketmq-grpc-proxy';
/** Properties that carry the context of a message are short: longer ones are nobody's context. */
const carriedLengthMax = 8_192;

/** What is under way. */
interface Operation {
  readonly name: string;
  readonly type: OperationType;
  readonly topic: string;
  readonly kind: SpanKind;
  readonly attributes: OtelAttributes;
  readonly histogram: OtelHistogram;
}

/**
 * Spans and metrics by OpenTelemetry's conventions for messaging: a span for each message that is sent (of a batch: `create`), for each
 * receive, for the work on each message, and for each ack or nack. The context of a send goes along in the message's properties
 * (`traceparent` and what else the application's propagator writes) and is the parent of the work on it, in any language.
 * @param api the module `@opentelemetry/api`; it does nothing until the application registers an SDK with it.
 */
export function openTelemetry(api: OtelApi): ClientObserver {
  const instruments = createInstruments(api);
  const { operationDuration, processDuration, sent, consumed } = instruments;
  return {
    sending(message, kind) {
      const started = start(api, api.context.active(), sendOperation(message, kind, operationDuration));
      const carrier: Record<string, string> = {};
      api.propagation.inject(started.context, carrier);
      return {
        properties: carriable(carrier, message),
        run: (send) => api.context.with(started.context, send),
        stored(result) {
          sent.add(1, started.dimensions);
          started.end(storedAttributes(result));
        },
        failed(error) {
          sent.add(1, { ...started.dimensions, [Attribute.ERROR_TYPE]: errorType(error) });
          started.fail(error);
        },
      };
    },
    receiving({ group, topic }) {
      const operation = { name: 'receive', type: 'receive', topic, kind: SpanKind.CLIENT } as const;
      const attributes = { [Attribute.GROUP]: group };
      const started = start(api, api.context.active(), { ...operation, attributes, histogram: operationDuration });
      return {
        run: (call) => api.context.with(started.context, call),
        ended(messages, error) {
          if (error !== undefined) return started.fail(error);
          if (messages.length > 0) consumed.add(messages.length, started.dimensions);
          started.end({ [Attribute.BATCH_COUNT]: messages.length });
        },
      };
    },
    processing(message, group) {
      const parent = api.propagation.extract(api.context.active(), Object.fromEntries(message.properties));
      const attributes = { ...messageAttributes(message), [Attribute.GROUP]: group };
      const operation = { name: 'process', type: 'process', topic: message.topic, kind: SpanKind.CONSUMER } as const;
      const started = start(api, parent, { ...operation, attributes, histogram: processDuration });
      return {
        run: (handler) => api.context.with(started.context, handler),
        ended(outcome, error) {
          if (outcome === 'success') started.end({});
          else if (error === undefined) started.fail(new Error(`the work on the message ended: ${outcome}`), outcome);
          else started.fail(error);
        },
      };
    },
    settling(message, group, settlement) {
      const attributes = { ...messageAttributes(message), [Attribute.GROUP]: group };
      const operation = { name: settlement, type: 'settle', topic: message.topic, kind: SpanKind.CLIENT } as const;
      const started = start(api, api.context.active(), { ...operation, attributes, histogram: operationDuration });
      return {
        run: (call) => api.context.with(started.context, call),
        ended: (_, error) => (error === undefined ? started.end({}) : started.fail(error)),
      };
    },
  };
}

function createInstruments(api: OtelApi) {
  const meter = api.metrics.getMeter(scope);
  const { OPERATION_DURATION, PROCESS_DURATION, SENT, CONSUMED } = Metric;
  const counter = ({ name, unit }: typeof SENT | typeof CONSUMED, description: string) =>
    meter.createCounter(name, { unit, description });
  const histogram = ({ name, unit }: typeof OPERATION_DURATION | typeof PROCESS_DURATION, description: string) =>
    meter.createHistogram(name, { unit, description });
  return {
    operationDuration: histogram(OPERATION_DURATION, 'Time that a call to the brokers took'),
    processDuration: histogram(PROCESS_DURATION, 'Time that the work on a message took'),
    sent: counter(SENT, 'Messages that were sent, or could not be'),
    consumed: counter(CONSUMED, 'Messages that came'),
  };
}

/** Starts a span, and says what ends it. */
function start(api: OtelApi, parent: OtelContext, { name, type, topic, kind, attributes, histogram }: Operation) {
  const startMs = performance.now();
  const dimensions: OtelAttributes = {
    [Attribute.SYSTEM]: messagingSystem,
    [Attribute.OPERATION_NAME]: name,
    [Attribute.OPERATION_TYPE]: type,
    [Attribute.DESTINATION]: topic,
    ...(attributes[Attribute.GROUP] === undefined ? {} : { [Attribute.GROUP]: attributes[Attribute.GROUP] }),
  };
  const options = { kind, attributes: { ...attributes, ...dimensions } };
  const span: OtelSpan = api.trace.getTracer(scope).startSpan(`${name} ${topic}`, options, parent);
  const end = (more: OtelAttributes, measured: OtelAttributes): void => {
    histogram.record((performance.now() - startMs) / 1_000, measured);
    span.setAttributes(more);
    span.end();
  };
  return {
    dimensions,
    context: api.trace.setSpan(parent, span),
    end: (more: OtelAttributes): void => end(more, dimensions),
    fail(error: unknown, type = errorType(error)): void {
      if (error instanceof Error) span.recordException(error);
      span.setStatus({ code: spanStatusError, message: error instanceof Error ? error.message : String(error) });
      const failed = { [Attribute.ERROR_TYPE]: type };
      end(failed, { ...dimensions, ...failed });
    },
  };
}

function sendOperation(message: OutgoingMessage, kind: SendKind, histogram: OtelHistogram): Operation {
  const { topic, tag, keys, shardingKey, delivery, body } = message;
  const type = kind === 'batch' ? 'create' : 'send';
  const attributes: OtelAttributes = {
    [Attribute.BODY_SIZE]: body.length,
    [Attribute.MESSAGE_TYPE]: messageType(message, kind),
    ...(tag === undefined ? {} : { [Attribute.TAG]: tag }),
    ...(keys === undefined || keys === '' ? {} : { [Attribute.KEYS]: keys.split(' ') }),
    ...(shardingKey === undefined ? {} : { [Attribute.MESSAGE_GROUP]: shardingKey }),
    ...(delivery.kind === 'level' ? { [Attribute.DELAY_LEVEL]: delivery.level } : {}),
    ...(delivery.kind === 'time' ? { [Attribute.DELIVERY_TIMESTAMP]: delivery.deliverTimestampMs } : {}),
  };
  return { name: type, type, topic, kind: SpanKind.PRODUCER, attributes, histogram };
}

function messageType({ shardingKey, delivery }: OutgoingMessage, kind: SendKind): string {
  if (kind === 'half') return 'transaction';
  if (delivery.kind !== 'now') return 'delay';
  return shardingKey === undefined ? 'normal' : 'fifo';
}

function storedAttributes({ messageId, queue, channel }: SendResult): OtelAttributes {
  const colon = channel.address.lastIndexOf(':');
  return {
    [Attribute.MESSAGE_ID]: messageId,
    [Attribute.PARTITION]: `${queue.brokerName}/${queue.queueId}`,
    [Attribute.SERVER_ADDRESS]: channel.address.slice(0, colon),
    [Attribute.SERVER_PORT]: Number(channel.address.slice(colon + 1)),
  };
}

function messageAttributes({ messageId, body, tag, properties }: ReceivedMessage): OtelAttributes {
  const keys = properties.get(MessageProperty.KEYS);
  return {
    [Attribute.MESSAGE_ID]: messageId,
    [Attribute.BODY_SIZE]: body.length,
    ...(tag === undefined ? {} : { [Attribute.TAG]: tag }),
    ...(keys === undefined ? {} : { [Attribute.KEYS]: keys.split(' ') }),
  };
}

/** What of a context can go along with a message; what the application has set itself stays. */
function carriable(carrier: Record<string, string>, { properties }: OutgoingMessage) {
  const own = new Set(Array.from(properties ?? [], ([name]) => name));
  return Object.entries(carrier).filter(
    ([name, value]) =>
      name !== '' &&
      name.length + value.length <= carriedLengthMax &&
      !own.has(name) &&
      !isReservedProperty(name) &&
      !hasPropertySeparator(name + value),
  );
}

/** Few different ones, as metrics want them. */
function errorType(error: unknown): string {
  if (error instanceof ClientError || error instanceof RemotingError) return error.kind;
  if (error instanceof ResponseError) return String(error.code);
  return error instanceof Error ? error.name : '_OTHER';
}
