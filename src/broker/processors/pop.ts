import type { Answer, Command } from '../../remoting/command.ts';
import type { FieldsOf } from '../../remoting/fields.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { peekMessage } from '../../remoting/requests/peek-message.ts';
import {
  orderedReviveQueueId,
  PopInitMode,
  popMessage,
  popMessagesMax,
  type popReplyFields,
} from '../../remoting/requests/pop-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { messageLists } from '../pop/message-lists.ts';
import { peekMessages } from '../pop/peek-messages.ts';
import { readablePlace } from '../pop/pop-place.ts';
import { type PopQuery, type Taken, takeMessages } from '../pop/take-messages.ts';
import { invalid, RequestRefused } from '../refused.ts';
import { holdPoll, isQuiet, noteQuiet } from './hold-poll.ts';

/** Longest that a message may be invisible, in ms: what brokers can wait (Java `MessageStoreConfig.timerMaxDelaySec`). */
export const invisibleDurationMsMax = 259_200_000;

export const popProcessors: ProcessorTable = [
  [RequestCode.POP_MESSAGE, pop],
  [RequestCode.PEEK_MESSAGE, peek],
];

async function pop(request: Command, connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = popMessage.decode(request);
  const query = await readQuery(fields, engine);
  // What cannot be handed out is not taken: it would count as delivered.
  engine.state.checkStores();
  engine.pops.makeVisible();
  let last: Taken | undefined;
  const look = (): Promise<Answer> | undefined => {
    // What a client does not read is not taken for it either.
    if (connection.isBackedUp) return undefined;
    last = takeMessages(query, engine);
    if (last.queues.length > 0) {
      connection.reserve(bytesOf(last.records), last.stored);
      return found(last, query, engine);
    }
    // That nobody wanted what was passed over may be stored later: a crash before that costs another look.
    last.stored.catch(() => {});
    if (last.isUnfinished) setImmediate(() => engine.held.wake(query.topic));
    if (last.restCount === 0) noteQuiet(query, engine);
    return undefined;
  };
  const nothing = (code: number): Answer => {
    engine.statistics.got(query.group, query.topic, 0);
    const popTimeMs = engine.options.clock.now();
    return popMessage.answer({ ...replyOf(query), popTimeMs, restCount: restOf(last) }, { code });
  };
  const answer = look();
  if (answer !== undefined) return answer;
  if (fields.pollDurationMs <= 0) return nothing(ResponseCode.POLLING_TIMEOUT);
  const poll = {
    place: query,
    durationMs: fields.pollDurationMs,
    look: () => (isQuiet(query, engine) ? undefined : look()),
    nothing: () => nothing(ResponseCode.POLLING_TIMEOUT),
    full: () => nothing(ResponseCode.POLLING_FULL),
  };
  return engine.pops.polls.count(query, holdPoll(poll, connection, engine));
}

/** @throws RequestRefused; FilterError; StoreError. */
async function readQuery(fields: ReturnType<typeof popMessage.decode>, engine: Engine): Promise<PopQuery> {
  const { invisibleDurationMs, initMode, expressionType, expression } = fields;
  if (invisibleDurationMs < 1 || invisibleDurationMs > invisibleDurationMsMax) {
    throw invalid(`invisibleTime is 1 to ${invisibleDurationMsMax} ms, not ${invisibleDurationMs}`);
  }
  const place = await readablePlace(fields, engine);
  return {
    ...place,
    startsAtEnd: initMode === PopInitMode.MAX,
    filter: engine.filters.get(expressionType, expression),
    countMax: checkedCount(fields.messageCountMax),
    invisibleDurationMs,
  };
}

function checkedCount(count: number): number {
  if (count >= 1 && count <= popMessagesMax) return count;
  throw invalid(`maxMsgNums is 1 to ${popMessagesMax}, not ${count}`);
}

async function found(taken: Taken, query: PopQuery, engine: Engine): Promise<Answer> {
  await taken.stored;
  engine.statistics.got(query.group, query.topic, taken.records.length);
  return popMessage.answer(
    {
      ...replyOf(query),
      popTimeMs: taken.popTimeMs,
      restCount: restOf(taken),
      ...messageLists(query.topic, taken.queues, query.order),
    },
    { body: bodyOf(taken.records) },
  );
}

type ReplyFields = FieldsOf<typeof popReplyFields>;

/** Java clients fail where one of these fields is missing, also when there are no messages. */
function replyOf({ invisibleDurationMs, order }: PopQuery): ReplyFields {
  return { invisibleDurationMs, reviveQueueId: order ? orderedReviveQueueId : 0 };
}

function restOf(taken: Taken | undefined): bigint {
  return BigInt(taken?.restCount ?? 0);
}

function bytesOf(records: readonly Buffer[]): number {
  return records.reduce((bytes, record) => bytes + record.length, 0);
}

function bodyOf(records: readonly Buffer[]): Buffer {
  const [first, ...more] = records;
  return first !== undefined && more.length === 0 ? first : Buffer.concat(records);
}

async function peek(request: Command, connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = peekMessage.decode(request);
  const countMax = checkedCount(fields.messageCountMax);
  const place = await readablePlace(fields, engine);
  if (connection.isBackedUp) throw new RequestRefused(ResponseCode.SYSTEM_BUSY, 'take the answers that wait first');
  const { records, restCount } = peekMessages(place, countMax, engine);
  connection.reserve(bytesOf(records), Promise.resolve());
  const code = records.length > 0 ? ResponseCode.SUCCESS : ResponseCode.PULL_NOT_FOUND;
  const reply = { popTimeMs: 0, invisibleDurationMs: 0, reviveQueueId: 0, restCount: BigInt(restCount) };
  return peekMessage.answer(reply, { code, body: bodyOf(records) });
}
