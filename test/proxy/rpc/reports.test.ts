import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { failure, invalid } from '../../../src/proxy/rpc/failures.ts';
import {
  reportFailure,
  reportOutcomes,
  unknownKeyIntervalMs,
  unknownKeyReporter,
} from '../../../src/proxy/rpc/reports.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const ours = failure(Code.Internal, 'INTERNAL', 'internal error', new Error('why'));
const away = failure(Code.Unavailable, 'BROKER_UNREACHABLE', 'the broker is away');

it.each([
  ['what failed here', ours, 'error'],
  ['what a broker keeps from working', away, 'warn'],
  ['what a caller did wrong', invalid('topic is empty'), 'debug'],
  ['bytes of a caller that are no message', new ConnectError('parse binary: premature EOF', Code.Internal), 'debug'],
])('%s is told by its level', (_, error, level) => {
  const log = new MemoryLog();
  reportFailure(log, 'SendMessage', error);
  expect(log.lines).toEqual([
    { level, message: error.rawMessage, fields: expect.objectContaining({ rpc: 'SendMessage' }) },
  ]);
});

it('failures of several messages are one line, as loud as the worst, with how many there are of each code', () => {
  const log = new MemoryLog();
  reportOutcomes(log, 'SendMessages', []);
  reportOutcomes(log, 'SendMessages', [invalid('first'), away, invalid('third')]);
  expect(log.lines).toEqual([
    {
      level: 'warn',
      message: '3 messages of a request failed, the worst of them: the broker is away',
      fields: { rpc: 'SendMessages', counts: { InvalidArgument: 2, Unavailable: 1 } },
    },
  ]);
});

it('texts under another key are told once a minute', () => {
  const log = new MemoryLog();
  let nowMs = 0;
  const report = unknownKeyReporter(log, () => nowMs);
  for (const atMs of [0, 1, unknownKeyIntervalMs - 1, unknownKeyIntervalMs, unknownKeyIntervalMs + 1]) {
    nowMs = atMs;
    report(`key-${atMs}`);
  }
  expect(log.lines).toEqual(
    ['key-0', `key-${unknownKeyIntervalMs}`].map((keyId) => ({
      level: 'warn',
      message: expect.stringContaining('check that all instances have the same PROXY_SEAL_KEY'),
      fields: { keyId },
    })),
  );
});
