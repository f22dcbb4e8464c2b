import type { ConsumeFrom as From } from '../../client/consume-from.ts';
import { parseTagFilter, sqlFilter } from '../../client/message-filter.ts';
import type { ConsumeMode as Mode } from '../../client/options.ts';
import { changedDurationMsMax } from '../../client/pop/settler.ts';
import { ConsumeFrom, ConsumeMode, type CreateConsumerRequest } from '../../gen/rocketmq/rocketmq_pb.ts';
import { invalid } from '../rpc/failures.ts';
import type { ConsumerChoices, ConsumerFields } from '../session/session-specs.ts';

/** Shortest time that a receiver may have for its ack, in ms: brokers count it in whole seconds in places. */
export const invisibleDurationMsMin = 1_000;

/**
 * What of the messages a consumer wants, and how.
 * @throws ConnectError INVALID_ARGUMENT naming the field; ClientError `invalid` for a filter that cannot be read.
 */
export function toConsumerOptions(request: CreateConsumerRequest): Pick<ConsumerFields, 'tagExpression' | 'choices'> {
  const { tagExpression, sqlExpression } = request;
  if (tagExpression !== '' && sqlExpression !== '') {
    throw invalid('tag_expression and sql_expression are both set: give one of them');
  }
  const choices: ConsumerChoices = {
    sqlCondition: sqlExpression === '' ? undefined : sqlFilter(sqlExpression).expression,
    consumeFrom: toConsumeFrom(request),
    orderly: request.ordered || undefined,
    invisibleDurationMs: toInvisibleDuration(request),
    consumeMode: toConsumeMode(request),
  };
  return { tagExpression: parseTagFilter(tagExpression).expression, choices };
}

/** Undefined for the default. */
function toConsumeFrom({ consumeFrom, consumeTimestamp }: CreateConsumerRequest): From | undefined {
  if (consumeFrom !== ConsumeFrom.TIMESTAMP && consumeTimestamp !== 0n) {
    throw invalid('consume_timestamp is set: set consume_from to CONSUME_FROM_TIMESTAMP too, or leave both out');
  }
  switch (consumeFrom) {
    case ConsumeFrom.UNSPECIFIED:
    case ConsumeFrom.LAST:
      return undefined;
    case ConsumeFrom.FIRST:
      return { kind: 'first' };
    case ConsumeFrom.TIMESTAMP:
      return { kind: 'timestamp', timestampMs: toTimestamp(consumeTimestamp) };
    default:
      throw unknownValue('consume_from', consumeFrom, ConsumeFrom.TIMESTAMP);
  }
}

function toTimestamp(consumeTimestamp: bigint): number {
  if (consumeTimestamp < 1n || consumeTimestamp > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(
      `consume_timestamp is ${consumeTimestamp}; with CONSUME_FROM_TIMESTAMP it is a time in milliseconds since 1970, ` +
        `1 to ${Number.MAX_SAFE_INTEGER}`,
    );
  }
  return Number(consumeTimestamp);
}

/** Undefined for what the proxy's settings say. */
function toInvisibleDuration({ invisibleDurationMs }: CreateConsumerRequest): number | undefined {
  if (invisibleDurationMs === 0) return undefined;
  if (invisibleDurationMs < invisibleDurationMsMin || invisibleDurationMs > changedDurationMsMax) {
    throw invalid(
      `invisible_duration_ms is ${invisibleDurationMs}; it may be ${invisibleDurationMsMin} to ${changedDurationMsMax} ` +
        'milliseconds, 0 for the setting of the proxy',
    );
  }
  return invisibleDurationMs;
}

/** Undefined for what the proxy's settings say. */
function toConsumeMode({ consumeMode }: CreateConsumerRequest): Mode | undefined {
  switch (consumeMode) {
    case ConsumeMode.UNSPECIFIED:
      return undefined;
    case ConsumeMode.AUTO:
      return 'auto';
    case ConsumeMode.POP:
      return 'pop';
    case ConsumeMode.PULL:
      return 'pull';
    default:
      throw unknownValue('consume_mode', consumeMode, ConsumeMode.PULL);
  }
}

/** Any number may stand where proto3 has an enum. */
function unknownValue(field: string, value: number, last: number) {
  return invalid(`${field} is ${value}, which stands for nothing; it may be 0 to ${last}`);
}
