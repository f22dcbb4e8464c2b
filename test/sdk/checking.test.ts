import { expect, onTestFinished, test, vi } from 'vitest';
import { Checking, checkersAtOnceMax } from '../../src/sdk/checking.ts';
import { MQError } from '../../src/sdk/mq-error.ts';
import type { HalfMessage, TransactionChecker } from '../../src/sdk/transaction.ts';

const half = (body: string): HalfMessage => ({
  messageId: body,
  transactionId: body,
  transactionHandle: body,
  body,
  bytes: Buffer.from(body),
  tag: '',
  properties: {},
  bornTimestamp: 0,
});

/** Checks as a broker asks them, the last ones for ever, and what is answered. */
function start(checks: readonly (string | MQError)[], checker: TransactionChecker) {
  const [ended, told]: [string[], string[]] = [[], []];
  const rest = [...checks];
  const port = {
    begin: () => Promise.reject(new Error('nobody calls this')),
    async end(transactionHandle: string, outcome: string) {
      if (transactionHandle === 'lost') throw new MQError('UNAVAILABLE', 'OUTCOME_UNKNOWN', 'lost');
      ended.push(`${transactionHandle} ${outcome}`);
      return { success: true, message: '' };
    },
    async *checks(signal: AbortSignal) {
      for (let check = rest.shift(); check !== undefined; check = rest.shift()) {
        if (check instanceof MQError) throw check;
        yield half(check);
      }
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  };
  const tell = (level: string) => (_: object, message: string) => told.push(`${level}: ${message}`);
  const logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') };
  const checking = new Checking({ port, checker, logger });
  onTestFinished(() => checking.stop(0));
  return { checking, ended, told };
}

test('each check is answered as the checker says; what is not, comes again', async () => {
  const checker: TransactionChecker = ({ body }) => {
    if (body === 'throws') throw new Error('no database');
    if (body === 'nonsense') return 'committed' as 'commit';
    return body === 'unknown' ? 'unknown' : 'rollback';
  };
  const { ended, told } = start(['throws', 'nonsense', 'unknown', 'lost', 'done'], checker);
  await vi.waitFor(() => expect(ended).toEqual(['done rollback']));
  await vi.waitFor(() =>
    expect(told).toEqual(Array(3).fill('warn: a transaction check was not answered: it comes again')),
  );
});

test('a stream that breaks is followed by another; one that is refused is the last', async () => {
  const broken = new MQError('UNAVAILABLE', 'NO_ANSWER', 'broken');
  const refused = new MQError('PERMISSION_DENIED', 'TOKEN_DENIED', 'refused');
  const { ended, told } = start(['1', broken, '2', refused, '3'], () => 'commit');
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(ended).toEqual(['1 commit', '2 commit']);
  expect(told).toEqual([
    'warn: a stream of transaction checks broke; another one is opened',
    'error: transaction checks are received no more',
  ]);
});

test('no more checkers are at work than may be, and closing waits for them no longer than it is told to', async () => {
  let asked = 0;
  const { checking } = start(
    Array.from({ length: checkersAtOnceMax + 1 }, (_, index) => String(index)),
    () => {
      asked += 1;
      return new Promise(() => {});
    },
  );
  await vi.waitFor(() => expect(asked).toBe(checkersAtOnceMax));
  await checking.stop(20);
  expect(asked).toBe(checkersAtOnceMax);
});

test('closing waits for checkers at work, whose answers count', async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = (): void => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { checking, ended } = start(['1'], async () => {
    begun();
    await released;
    return 'commit' as const;
  });
  await beginning;
  const stopped = checking.stop(60_000);
  release();
  await stopped;
  expect(ended).toEqual(['1 commit']);
});
