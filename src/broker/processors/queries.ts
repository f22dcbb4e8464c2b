import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import {
  queryMessage as queryMessageRequest,
  viewMessage as viewMessageRequest,
} from '../../remoting/requests/query-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { decodeStoredMessages } from '../../remoting/stored-message.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';
import type { KeySearch, MessageStore } from '../store/message-store.ts';
import { engineTopicPrefix } from '../store/store-options.ts';

/** Single messages, by their keys and ids. */
export const queryProcessors: ProcessorTable = [
  [RequestCode.QUERY_MESSAGE, queryMessage],
  [RequestCode.VIEW_MESSAGE_BY_ID, viewMessage],
];

/** Most messages of one answer; what Java's brokers give for a key, and more than they give for an id. */
export const queryCountMax = 64;
/** Most bytes of one answer: half of what a frame holds, and more than the largest message. */
export const queryBytesMax = 8_388_608;

function queryMessage(request: Command, _connection: ServerConnection, { store, options }: Engine): Answer {
  const fields = queryMessageRequest.decode(request);
  const { topic, key, unique = false } = fields;
  const records = find(store, {
    topic,
    key,
    unique,
    countMax: unique ? queryCountMax : Math.min(Math.max(fields.countMax, 1), queryCountMax),
    beginTimestampMs: Number(fields.beginTimestamp),
    endTimestampMs: Number(fields.endTimestamp),
  });
  // The index has all that is stored, at any time.
  const index = {
    indexLastUpdateTimestamp: options.clock.now(),
    indexLastUpdateOffset: BigInt(store.maxCommitLogOffset),
  };
  if (records.length > 0) return queryMessageRequest.answer(index, { body: Buffer.concat(records) });
  const remark = `${topic.slice(0, 200)} has no message with this key and store time`;
  return queryMessageRequest.answer(index, { code: ResponseCode.QUERY_NOT_FOUND, remark });
}

/** Newest first. */
function find(store: MessageStore, search: KeySearch): Buffer[] {
  const records: Buffer[] = [];
  let bytes = 0;
  for (const offset of store.find(search)) {
    const record = store.read(offset);
    if (record === undefined) continue;
    bytes += record.length;
    if (bytes > queryBytesMax) break;
    records.push(record);
  }
  return records;
}

function viewMessage(request: Command, _connection: ServerConnection, { store }: Engine): Answer {
  const { offset } = viewMessageRequest.decode(request);
  const record = store.read(Number(offset));
  const [message] = record === undefined ? [] : decodeStoredMessages(record);
  if (record === undefined || message === undefined || message.topic.startsWith(engineTopicPrefix)) {
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `no message starts at commit log offset ${offset}`);
  }
  return viewMessageRequest.answer({}, { body: record });
}
