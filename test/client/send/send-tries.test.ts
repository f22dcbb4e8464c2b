import { describe, expect, test } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { isRetryable, SendTries } from '../../../src/client/send/send-tries.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RemotingError, type RemotingErrorKind, ResponseError } from '../../../src/remoting/errors.ts';

function answered(code: number): ResponseError {
  return new ResponseError(code, 'why', '10.0.0.1:10911');
}

function failed(kind: RemotingErrorKind, outcomeUnknown = false): RemotingError {
  return new RemotingError(kind, 'why', { outcomeUnknown });
}

describe('isRetryable', () => {
  test.each([
    ['SYSTEM_ERROR', answered(1), true],
    ['SYSTEM_BUSY', answered(2), true],
    ['SERVICE_NOT_AVAILABLE', answered(14), true],
    ['TOPIC_NOT_EXIST', answered(17), true],
    ['NOT_LEADER_FOR_QUEUE', answered(501), true],
    ['GO_AWAY', answered(1500), true],
    ['MESSAGE_ILLEGAL', answered(13), false],
    ['NO_PERMISSION', answered(16), false],
    ['connect', failed('connect'), true],
    ['closed', failed('closed'), true],
    ['timeout', failed('timeout'), true],
    ['cancelled', failed('cancelled'), false],
    ['overloaded', failed('overloaded'), false],
    ['malformed', failed('malformed'), false],
    ['noBroker', new ClientError('noBroker', 'why'), true],
    ['closed by us', new ClientError('closed', 'why'), false],
    ['something else', new TypeError('why'), false],
  ])('%s', (_, error, retryable) => {
    expect(isRetryable(error)).toBe(retryable);
  });
});

describe('SendTries', () => {
  const soon = Deadline.after(10_000);

  test('counts, and remembers who failed', () => {
    const tries = new SendTries();
    tries.add('broker-a', answered(2));
    tries.add('broker-a', answered(2));
    tries.add('broker-b', answered(2));
    expect(tries.count).toBe(3);
    expect(tries.failedBrokers).toEqual(new Set(['broker-a', 'broker-b']));
  });

  test('gives each try a birth of its own', () => {
    const tries = new SendTries();
    expect([5, 5, 4, 9].map((nowMs) => tries.nextBornTimestampMs(nowMs))).toEqual([5, 6, 7, 9]);
  });

  test('nothing was stored: the last refusal is the cause', () => {
    const tries = new SendTries();
    const last = failed('connect');
    tries.add('broker-a', answered(2));
    tries.add('broker-b', last);
    expect(tries.finalError(last, soon)).toMatchObject({ kind: 'notStored', cause: last });
  });

  test('one try without an answer makes the outcome unknown, whatever came after it', () => {
    const later = [answered(2), answered(16), failed('cancelled'), new ClientError('noRoute', 'why')];
    for (const end of later) {
      const tries = new SendTries();
      tries.add('broker-a', failed('timeout', true));
      expect(tries.finalError(end, soon)).toMatchObject({ kind: 'outcomeUnknown', cause: end });
    }
  });

  test('what no try was about stays as it is', () => {
    const tries = new SendTries();
    tries.add('broker-a', answered(2));
    const lookUp = failed('connect');
    expect(tries.finalError(lookUp, soon)).toBe(lookUp);
    const refused = answered(13);
    tries.add('broker-a', refused);
    expect(tries.finalError(refused, soon)).toBe(refused);
  });

  test('the end of the deadline is told as that', () => {
    const tries = new SendTries();
    const late = failed('timeout');
    tries.add('broker-a', late);
    expect(tries.finalError(late, Deadline.after(0))).toBe(late);
    expect(tries.finalError(late, soon)).toMatchObject({ kind: 'notStored', cause: late });
  });
});
