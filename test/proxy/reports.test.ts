import { Code, type ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { failure, invalid } from '../../src/proxy/failures.ts';
import { reportFailure, reportOutcomes } from '../../src/proxy/reports.ts';
import { MemoryLog } from '../support/scripted-cluster.ts';

const cause = new Error('why');
const internal = failure(Code.Internal, 'INTERNAL', 'internal error', cause);
const unavailable = failure(Code.Unavailable, 'NOT_STORED', 'not stored', cause);
const late = failure(Code.DeadlineExceeded, 'DEADLINE', 'late');

test.each([
  ['error', internal],
  ['warn', unavailable],
  ['warn', late],
  ['debug', invalid('bad')],
])('a failed call is told by the level %s', (level, error) => {
  const log = new MemoryLog();
  reportFailure(log, 'Rpc', error);
  const fields = { rpc: 'Rpc', code: Code[error.code], ...(error.cause === undefined ? {} : { err: cause }) };
  expect(log.lines).toEqual([{ level, fields, message: error.rawMessage }]);
});

test('failures inside a reply are told in one line, as loud as the worst of them', () => {
  const told = (...failures: ConnectError[]) => {
    const log = new MemoryLog();
    reportOutcomes(log, 'Rpc', failures);
    return log.lines;
  };
  expect(told()).toEqual([]);
  expect(told(invalid('bad'), unavailable, late, invalid('too'))).toEqual([
    {
      level: 'warn',
      fields: { rpc: 'Rpc', counts: { InvalidArgument: 2, Unavailable: 1, DeadlineExceeded: 1 }, err: cause },
      message: '4 messages of a request failed, the worst of them: not stored',
    },
  ]);
  expect(told(late, internal).map(({ level }) => level)).toEqual(['error']);
  expect(told(invalid('bad')).map(({ level }) => level)).toEqual(['debug']);
});
