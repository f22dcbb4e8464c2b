import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { PartialFailureError } from '../../../src/client/admin/admin-results.ts';
import { RocketMQError, type RocketMQErrorCode, toRocketMQError } from '../../../src/client/api/rocketmq-error.ts';
import { ClientError, type ClientErrorKind } from '../../../src/client/errors.ts';
import { BatchError } from '../../../src/client/send/batches.ts';
import { RemotingError, type RemotingErrorKind, ResponseError } from '../../../src/remoting/errors.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';

/** Each kind that there is, or this does not compile: its code, and whether the same call may succeed later. */
const ofClient: Readonly<Record<ClientErrorKind, readonly [RocketMQErrorCode, boolean]>> = {
  noRoute: ['TOPIC_NOT_FOUND', false],
  noBroker: ['UNREACHABLE', true],
  notStored: ['NOT_STORED', true],
  outcomeUnknown: ['OUTCOME_UNKNOWN', true],
  unauthenticated: ['UNAUTHENTICATED', false],
  denied: ['ACCESS_DENIED', false],
  unsupported: ['NOT_SUPPORTED', false],
  invalid: ['INVALID_ARGUMENT', false],
  expired: ['RECEIPT_EXPIRED', false],
  closed: ['CLOSED', false],
};

const ofConnections: Readonly<Record<RemotingErrorKind, readonly [RocketMQErrorCode, boolean]>> = {
  connect: ['UNREACHABLE', true],
  closed: ['UNREACHABLE', true],
  timeout: ['TIMEOUT', true],
  cancelled: ['CANCELLED', false],
  overloaded: ['OVERLOADED', true],
  malformed: ['BROKER_FAILED', true],
};

describe('toRocketMQError', () => {
  test.each(Object.entries(ofClient))('of the client: %s is %s', (name, [code, retryable]) => {
    const kind = name as ClientErrorKind;
    const cause = new ClientError(kind, 'what happened');
    const expected = { name: 'RocketMQError', code, retryable, cause, message: 'what happened', brokerCode: undefined };
    expect(toRocketMQError(cause)).toMatchObject(expected);
  });

  test('of a batch: as of the part that failed, with what is known of each message behind it', () => {
    const failure = new ClientError('outcomeUnknown', 'no answer');
    const batch = new BatchError([{ state: 'unknown', messageId: 'ID' }], failure);
    const error = toRocketMQError(batch);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', message: batch.message });
    expect(error.cause).toBe(failure);
  });

  test('of several servers: as of one that another try cannot mend, with what each said', () => {
    const busy = new ResponseError(ResponseCode.SYSTEM_BUSY, '', 'a:1');
    const denied = new ClientError('denied', 'no right');
    const all = new Map<string, Error>([
      ['a', busy],
      ['b', denied],
    ]);
    const error = toRocketMQError(new PartialFailureError('making a topic', all, ['c']));
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', retryable: false, cause: denied });
    expect(error.message).toContain('done by c');
    expect(error.servers?.succeeded).toEqual(['c']);
    expect(Array.from(error.servers?.failures ?? [], ([name, { code }]) => [name, code])).toEqual([
      ['a', 'BUSY'],
      ['b', 'ACCESS_DENIED'],
    ]);
    const one = toRocketMQError(new PartialFailureError('making a topic', new Map([['a', busy]]), []));
    expect(one).toMatchObject({ code: 'BUSY', retryable: true, brokerCode: ResponseCode.SYSTEM_BUSY });
  });

  test('of a file, as Node says it', async () => {
    const error = await readFile('/no/such/file').catch((reason: unknown) => reason);
    expect(toRocketMQError(error)).toMatchObject({ code: 'STORAGE_FAILED', retryable: false, cause: error });
  });

  test('whatever a server answers has a code of its own kind', () => {
    for (const code of Object.values(ResponseCode))
      expect(toRocketMQError(new ResponseError(code, '', 'a:1')).code).not.toBe('INTERNAL');
  });

  test.each(Object.entries(ofConnections))('of a connection: %s is %s', (name, [code, retryable]) => {
    const kind = name as RemotingErrorKind;
    const cause = new RemotingError(kind, 'what happened');
    expect(toRocketMQError(cause)).toMatchObject({ code, retryable, cause });
  });

  test.each<[number, string]>([
    [ResponseCode.SYSTEM_BUSY, 'BUSY'],
    [ResponseCode.FLOW_CONTROL, 'BUSY'],
    [ResponseCode.MESSAGE_ILLEGAL, 'REFUSED'],
    [ResponseCode.NO_PERMISSION, 'ACCESS_DENIED'],
    [ResponseCode.TOPIC_NOT_EXIST, 'TOPIC_NOT_FOUND'],
    [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, 'GROUP_NOT_FOUND'],
    [ResponseCode.SUBSCRIPTION_PARSE_FAILED, 'INVALID_ARGUMENT'],
    [ResponseCode.SERVICE_NOT_AVAILABLE, 'UNREACHABLE'],
    [ResponseCode.SYSTEM_ERROR, 'BROKER_FAILED'],
    [4_711, 'BROKER_FAILED'],
  ])('of a broker: %s is %s', (brokerCode, code) => {
    const cause = new ResponseError(brokerCode, 'why', '127.0.0.1:10911');
    expect(toRocketMQError(cause)).toMatchObject({ code, brokerCode, cause });
  });

  test('the code of a broker is found among the causes; a circle of them ends', () => {
    const response = new ResponseError(ResponseCode.SYSTEM_BUSY, '', 'a:1');
    expect(toRocketMQError(new ClientError('notStored', 'x', response)).brokerCode).toBe(ResponseCode.SYSTEM_BUSY);
    const circle = new Error('circle');
    circle.cause = circle;
    expect(new RocketMQError('INTERNAL', 'x', circle).brokerCode).toBeUndefined();
  });

  test('who gave up finds their reason', () => {
    const reason = new Error('changed my mind');
    const signal = AbortSignal.abort(reason);
    const cancelled = new RemotingError('cancelled', 'x');
    expect(toRocketMQError(cancelled, signal)).toMatchObject({ code: 'CANCELLED', cause: reason });
    const unknown = new ClientError('outcomeUnknown', 'x', cancelled);
    expect(toRocketMQError(unknown, signal)).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: reason });
  });

  test('its own errors stay, others are faults', () => {
    const own = new RocketMQError('BUSY', 'x');
    expect(toRocketMQError(own)).toBe(own);
    expect(toRocketMQError('odd')).toMatchObject({ code: 'INTERNAL', cause: 'odd', retryable: false });
  });
});
