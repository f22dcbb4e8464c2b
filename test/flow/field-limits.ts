/** What each field of each request may hold, by the name of its message and its own: the table of what is bad input. */

import { ackHandlesMax } from '../../src/proxy/receive/settle.ts';
import { batchMessagesMax } from '../../src/proxy/send/send-batch.ts';
import { groupLengthMax, topicLengthMax } from '../../src/remoting/topic-names.ts';

/** A value, and how a call with it ends where that is not what the field's limits say for all of them. */
export class Case {
  readonly value: unknown;
  readonly status: string;

  constructor(value: unknown, status: string) {
    this.value = value;
    this.status = status;
  }
}

/** What a field may hold. */
export interface FieldLimits {
  /** How a call ends without it. Default `OK`. */
  readonly missing?: string;
  /** Values at its limits. */
  readonly taken: readonly unknown[];
  /** One over, and such as mean nothing. */
  readonly refused: readonly unknown[];
  /** How calls with those end. Default `InvalidArgument`. */
  readonly status?: string;
}

/** Ids and handles that are good, and whose. */
export interface World {
  readonly nameServer: string;
  readonly producerId: string;
  readonly consumerId: string;
  readonly handle: string;
}

const text = (length: number): string => 'x'.repeat(length);
const int32Max = 2 ** 31 - 1;
const int64Max = 2n ** 63n - 1n;
const dayMs = 86_400_000;
const twelveHoursMs = 43_200_000;
/** What a message is delivered in, less what it needs besides properties and body (README). */
const deliveredBytes = 4_194_304 - 2_048;
/** Bytes of properties, tag and keys, each with one byte more. */
const propertiesBytes = 31_744;
/** Bytes of a tag twice, of a key and of a sharding key that are empty. */
const emptyTexts = 4;
/** Longest text that is looked at as an id or a handle. */
const sealedChars = 16_384;
const separators = ['x\u0001y', 'x\u0002'];

/** @param rpc local name of the method, since a few fields count in some only. */
export function fieldLimits(rpc: string, world: World): Readonly<Record<string, FieldLimits>> {
  return { ...sessions(world), ...messages(rpc), ...receiving(world), ...handled(world), ...operations(rpc) };
}

function sessions({ nameServer, producerId, consumerId }: World): Record<string, FieldLimits> {
  const strangeNames = ['a b', 'a%b', '%RETRY%g', 'größe', '../a', 'TBW102', 'CID_RMQ_SYS_x', 'rmq_sys_x'];
  const namesOf = (longest: number): FieldLimits => ({
    missing: 'InvalidArgument',
    taken: [text(longest), 'a', '_-|1'],
    refused: [text(longest + 1), text(100_000), ...strangeNames],
  });
  const target = {
    endpoint: {
      taken: [nameServer, new Array(16).fill(nameServer).join(';'), `http://${nameServer}/`],
      refused: [
        ...[new Array(17).fill(nameServer).join(';'), `${text(251)}:9876`, text(100_000), 'host:0', 'host:65536'],
        ...[';', 'a:b:c', '[::1', 'host/path', 'http://', '\u0000'],
      ],
    },
    access_key_id: { taken: [text(1_024)], refused: [text(1_025), text(100_000)] },
    access_key_secret: { taken: [text(1_024)], refused: [text(1_025), text(100_000)] },
    instance_id: { taken: [text(1_024), 'MQ_INST_1'], refused: [text(1_025), 'MQ_INST_%', `MQ_INST_${text(127)}`] },
  };
  const prefixed = (message: string, limits: Record<string, FieldLimits>): Record<string, FieldLimits> =>
    Object.fromEntries(Object.entries(limits).map(([field, value]) => [`${message}.${field}`, value]));
  const anyName = { taken: [text(groupLengthMax), text(100_000), '%'], refused: [] };
  const anyId = (...more: string[]): FieldLimits => ({ taken: [text(sealedChars + 1), ...more], refused: [] });
  return {
    ...prefixed('CreateProducerRequest', { ...target, topic: namesOf(topicLengthMax) }),
    ...prefixed('GetConsumerLagRequest', {
      ...target,
      // Whoever asks makes no topic.
      instance_id: { taken: [text(1_024), new Case('MQ_INST_1', 'NotFound')], refused: [text(1_025), 'MQ_INST_%'] },
      topic: { ...namesOf(topicLengthMax), taken: ['received', new Case(text(topicLengthMax), 'NotFound')] },
      group_id: namesOf(groupLengthMax),
    }),
    ...prefixed('CreateConsumerRequest', {
      ...target,
      topic: namesOf(topicLengthMax),
      group_id: namesOf(groupLengthMax),
      tag_expression: { taken: ['*', 'a || b', text(4_096)], refused: [text(4_097), 'a\u0001b', 'a\u0002', '||'] },
      sql_expression: { taken: [`a = '${text(4_090)}'`], refused: [`a = '${text(4_091)}'`, 'a =', '((', "'"] },
      consume_from: { taken: [1, 2], refused: [-1, 4, int32Max, 3] },
      consume_timestamp: {
        missing: 'InvalidArgument',
        taken: [1n, BigInt(Number.MAX_SAFE_INTEGER)],
        refused: [-1n, BigInt(Number.MAX_SAFE_INTEGER) + 1n, int64Max, -int64Max],
      },
      ordered: { taken: [true, false], refused: [] },
      invisible_duration_ms: { taken: [1_000, twelveHoursMs], refused: [999, -1, twelveHoursMs + 1, int32Max] },
      consume_mode: { taken: [1, 2, 3], refused: [-1, 4, int32Max] },
    }),
    // A clean-up ends what there is of that name, which may be nothing.
    'CleanupProducerRequest.producer_id': anyId('x', consumerId),
    'ListProducersRequest.topic': anyName,
    'ListConsumersRequest.group_id': anyName,
    'ListConsumersRequest.topic': anyName,
    'CleanupProducerRequest.topic': anyName,
    'CleanupProducerRequest.endpoint': { taken: [nameServer], refused: ['host:0', text(100_000)] },
    'CleanupConsumerRequest.consumer_id': anyId('x', producerId),
    'CleanupConsumerRequest.group_id': anyName,
    'CleanupConsumerRequest.topic': anyName,
  };
}

function idOf(...others: string[]): FieldLimits {
  const refused = ['x', text(sealedChars), text(sealedChars + 1), text(1_000_000), ...others];
  return { missing: 'NotFound', taken: [], refused, status: 'NotFound' };
}

function messages(rpc: string): Record<string, FieldLimits> {
  const taken = emptyTexts + (rpc === 'sendOrderedMessage' ? 1 : 0);
  const left = propertiesBytes - taken;
  const bodyBytes = deliveredBytes - taken;
  const body: FieldLimits = {
    // Brokers of 5.x, and the engine, store no empty bodies.
    missing: 'InvalidArgument',
    taken: ['x', text(bodyBytes)],
    refused: [text(bodyBytes + 1)],
  };
  const bytes: FieldLimits = {
    missing: 'InvalidArgument',
    taken: [Uint8Array.of(0xff)],
    refused: [new Uint8Array(bodyBytes + 1)],
  };
  const tagLength = Math.floor((left + 2) / 2) - 1;
  const tag = { taken: ['a', text(tagLength)], refused: [text(tagLength + 1), ...separators] };
  const key = { taken: [text(left)], refused: [text(left + 1), ...separators] };
  const ownKey: FieldLimits = {
    missing: 'InvalidArgument',
    taken: [text(propertiesBytes - emptyTexts)],
    refused: [text(propertiesBytes - emptyTexts + 1), ...separators],
  };
  const level = { taken: [0n, 1n, 18n], refused: [-1n, 19n, int64Max, -int64Max] };
  const batch = {
    missing: 'InvalidArgument',
    taken: [new Array(batchMessagesMax).fill({ messageBody: 'x' })],
    refused: [new Array(batchMessagesMax + 1).fill({ messageBody: 'x' }), new Array(10_000).fill({}), []],
  };
  const inThreeDays = (moreMs: number): bigint => BigInt(Date.now() + 3 * dayMs + moreMs);
  const time = {
    taken: [0n, 1n, inThreeDays(-60_000)],
    refused: [-1n, inThreeDays(60_000), BigInt(Number.MAX_SAFE_INTEGER) + 1n, int64Max, -int64Max],
  };
  const immunity = { taken: [0, 86_400], refused: [86_401, -1, int32Max, -int32Max] };
  const anything = { taken: [...immunity.taken, ...immunity.refused], refused: [] };
  const sendFields = { message_body: body, tag, properties: { taken: [{}], refused: [] }, binary_body: bytes };
  const names = ['SendMessageRequest', 'SendOrderedMessageRequest', 'SendDelayMessageRequest'];
  const all = [...names, 'SendTransactionMessageRequest', 'OutgoingMessage'].flatMap((message) =>
    Object.entries({ producer_id: idOf(), ...sendFields }).map(([field, limits]) => [`${message}.${field}`, limits]),
  );
  const forged = [{ '': 'x' }, { POP_CK: '1' }, { DELAY: '18' }, { TAGS: 'x' }, { UNIQ_KEY: 'x' }, { REAL_TOPIC: 'x' }];
  const separated = separators.flatMap((bad) => [{ [bad]: 'x' }, { a: bad }]);
  return {
    ...Object.fromEntries(all),
    // Bodies of megabytes take their time: once for each way is enough.
    'SendMessageRequest.message_body': {
      ...body,
      taken: [...body.taken, 'ä'.repeat(bodyBytes / 2)],
      refused: [...body.refused, 'ä'.repeat(bodyBytes / 2 + 1), new Case(text(6 * 2 ** 20), 'ResourceExhausted')],
    },
    'SendMessageRequest.binary_body': { ...bytes, taken: [...bytes.taken, new Uint8Array(bodyBytes)] },
    'MessageProperties.properties': {
      taken: [{ a: text(left - 3) }, { a: '' }],
      refused: [{ a: text(left - 2) }, ...forged, ...separated],
    },
    'MessageProperties.message_key': key,
    'MessageProperties.sharding_key': rpc === 'sendOrderedMessage' ? ownKey : key,
    'MessageProperties.start_deliver_time': time,
    // Elsewhere it means nothing.
    'MessageProperties.trans_check_immunity_time': rpc === 'sendTransactionMessage' ? immunity : anything,
    'SendOrderedMessageRequest.sharding_key': ownKey,
    'SendDelayMessageRequest.delay_time_level': level,
    'SendDelayMessageRequest.start_deliver_time': time,
    'SendTransactionMessageRequest.trans_check_immunity_time': immunity,
    'SendTransactionMessageRequest.left_pending': { taken: [true, false], refused: [] },
    'OutgoingMessage.delay_time_level': level,
    'SendMessagesRequest.producer_id': idOf(),
    'SendMessagesRequest.messages': batch,
    'PublishRequest.request_id': { taken: [0n, int64Max, -int64Max], refused: [] },
    'PublishRequest.producer_id': idOf(),
    'PublishRequest.messages': batch,
  };
}

function receiving({ producerId, consumerId, handle }: World): Record<string, FieldLimits> {
  const receiptHandle = {
    missing: 'InvalidArgument',
    taken: [],
    refused: ['x', '0 1700000000000 30000 0 0 broker-a 0 0', text(sealedChars), text(sealedChars + 1), consumerId],
  };
  const settled = ['AckMessageRequest', 'NackMessageRequest', 'ChangeInvisibleDurationRequest'].flatMap((message) => [
    [`${message}.consumer_id`, idOf(producerId)],
    [`${message}.receipt_handle`, receiptHandle],
  ]);
  return {
    ...Object.fromEntries(settled),
    'AckMessagesRequest.consumer_id': idOf(producerId),
    'AckMessagesRequest.receipt_handles': {
      missing: 'InvalidArgument',
      taken: [new Array(ackHandlesMax).fill(handle)],
      refused: [new Array(ackHandlesMax + 1).fill(handle), [], [''], ['x']],
    },
    'NackMessageRequest.delay_ms': { taken: [0, twelveHoursMs], refused: [-1, twelveHoursMs + 1, int32Max] },
    'ChangeInvisibleDurationRequest.invisible_duration_ms': {
      missing: 'InvalidArgument',
      taken: [1, twelveHoursMs],
      refused: [0, -1, twelveHoursMs + 1, int32Max],
    },
    'ReceiveMessagesRequest.consumer_id': idOf(producerId),
    'ReceiveMessagesRequest.binary_bodies': { taken: [true, false], refused: [] },
    'ReceiveMessagesRequest.messages_max': { taken: [0, 1, 1_000], refused: [-1, 1_001, int32Max] },
  };
}

/** Of transactions and recalls: what takes a handle, and what gives one. */
function handled({ consumerId }: World): Record<string, FieldLimits> {
  const handle = {
    missing: 'InvalidArgument',
    taken: [],
    refused: ['x', text(sealedChars), text(sealedChars + 1), consumerId],
  };
  const group = { taken: [text(groupLengthMax)], refused: [text(groupLengthMax + 1), 'a b', 'a%b', 'größe'] };
  return {
    'SendTransactionMessageRequest.producer_group': group,
    'EndTransactionRequest.producer_id': idOf(consumerId),
    'EndTransactionRequest.transaction_handle': handle,
    'EndTransactionRequest.outcome': { missing: 'InvalidArgument', taken: [1, 2], refused: [0, 3, -1, int32Max] },
    'ReceiveTransactionChecksRequest.producer_id': idOf(consumerId),
    'ReceiveTransactionChecksRequest.producer_group': group,
    'ReceiveTransactionChecksRequest.binary_bodies': { taken: [true, false], refused: [] },
    'RecallMessageRequest.producer_id': idOf(consumerId),
    'RecallMessageRequest.recall_handle': handle,
  };
}

/** What is not RocketMQ's: grpc.health and grpc.reflection. */
function operations(rpc: string): Record<string, FieldLimits> {
  const unknown = { taken: [], refused: ['x', text(100_000)], status: 'NotFound' };
  // A service may come into being while it is watched.
  const watched = rpc === 'watch' ? unknown.refused : [];
  return {
    'HealthCheckRequest.service': {
      taken: ['', 'rocketmq.RocketMQProxy', ...watched],
      refused: rpc === 'watch' ? [] : unknown.refused,
      status: 'NotFound',
    },
    'ServerReflectionRequest.host': { taken: ['', text(100_000)], refused: [] },
    'ServerReflectionRequest.file_by_filename': { ...unknown, missing: 'InvalidArgument' },
    'ServerReflectionRequest.file_containing_symbol': { ...unknown, missing: 'InvalidArgument' },
    'ServerReflectionRequest.file_containing_extension': { ...unknown, missing: 'InvalidArgument', refused: [{}] },
    'ServerReflectionRequest.all_extension_numbers_of_type': { ...unknown, missing: 'InvalidArgument' },
    'ServerReflectionRequest.list_services': { missing: 'InvalidArgument', taken: ['', text(100_000)], refused: [] },
    'ExtensionRequest.containing_type': { missing: 'NotFound', taken: [], refused: ['x'], status: 'NotFound' },
    'ExtensionRequest.extension_number': {
      missing: 'NotFound',
      taken: [],
      refused: [-1, int32Max],
      status: 'NotFound',
    },
  };
}
