import { describe, expect, it } from 'vitest';
import { Dispatcher } from '../../src/broker/dispatcher.ts';
import type { ProcessorTable } from '../../src/broker/engine.ts';
import { FilterError } from '../../src/broker/filters/filter-error.ts';
import { processorTables } from '../../src/broker/processors/tables.ts';
import { RequestRefused } from '../../src/broker/refused.ts';
import { StoreError, type StoreErrorKind } from '../../src/broker/store/message-store.ts';
import type { Log } from '../../src/log.ts';
import type { Answer, Command } from '../../src/remoting/command.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import type { ServerConnection } from '../../src/remoting/server-connection.ts';
import { connectEngine, startTestEngine } from '../support/engine-client.ts';

const code = 34;

/** What a processor's end becomes, thrown at once and later. */
async function answersTo(error: unknown, log?: Log): Promise<Answer[]> {
  const answers: Answer[] = [];
  const intercept = (request: Command, _: () => Promise<Answer>, connection: ServerConnection): Promise<Answer> =>
    Promise.resolve(dispatchBoth(request, connection));
  const broker = await startTestEngine({ log, intercept });
  const failing = (fail: () => Promise<Answer>): Dispatcher =>
    new Dispatcher(broker.engine, [[[code, fail]] satisfies ProcessorTable]);
  const atOnce = failing(() => {
    throw error;
  });
  const later = failing(() => Promise.reject(error));
  async function dispatchBoth(request: Command, connection: ServerConnection): Promise<Answer> {
    answers.push(await atOnce.dispatch(request, connection), await later.dispatch(request, connection));
    return { code: 0 };
  }
  const client = await connectEngine(broker.brokerAddress);
  await client.invoke({ code, extFields: {} });
  return answers;
}

describe('the dispatcher', () => {
  it.each<[string, unknown, Answer]>([
    ['a refusal', new RequestRefused(17, 'no such topic'), { code: 17, remark: 'no such topic' }],
    ['a malformed request', new RemotingError('malformed', 'no topic'), { code: 29, remark: 'no topic' }],
    ['a filter that makes no sense', new FilterError('a is no SQL'), { code: 23, remark: 'a is no SQL' }],
  ])('answers %s with its code and text', async (_, error, answer) => {
    expect(await answersTo(error)).toEqual([answer, answer]);
  });

  it.each<[StoreErrorKind, number]>([
    ['overloaded', ResponseCode.SYSTEM_BUSY],
    ['full', ResponseCode.SERVICE_NOT_AVAILABLE],
    ['io', ResponseCode.SERVICE_NOT_AVAILABLE],
    ['closed', ResponseCode.SERVICE_NOT_AVAILABLE],
    ['refused', ResponseCode.MESSAGE_ILLEGAL],
  ])('answers a store that is %s with %i', async (kind, expected) => {
    const answer = { code: expected, remark: 'because' };
    expect(await answersTo(new StoreError(kind, 'because'))).toEqual([answer, answer]);
  });

  it.each([new Error('a secret'), new RemotingError('closed', 'a secret'), 'a secret', undefined])(
    'answers a mistake of ours without its text, and logs it: %s',
    async (error) => {
      const errors: unknown[] = [];
      const log: Log = { debug() {}, info() {}, warn() {}, error: (facts) => errors.push(facts) };
      const answer = { code: ResponseCode.SYSTEM_ERROR, remark: 'request code 34 failed' };
      expect(await answersTo(error, log)).toEqual([answer, answer]);
      expect(errors).toEqual([
        { err: error, code },
        { err: error, code },
      ]);
    },
  );

  it('knows every request code once, and only codes that have names', () => {
    const codes = processorTables.flat().map(([one]) => one);
    expect(codes.filter((one, index) => codes.indexOf(one) !== index)).toEqual([]);
    const named: number[] = Object.values(RequestCode);
    expect(codes.filter((one) => !named.includes(one))).toEqual([]);
  });

  it('answers every code that it does not know with "not supported", at name server and broker', async () => {
    const { nameServer, brokerAddress } = await startTestEngine();
    const known = new Set(processorTables.flat().map(([one]) => one));
    const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const extremes = [-1, -2_147_483_648, 2_147_483_647, 3_442, 1_001, 3_001];
    const unknown = [...range(0, 400), ...range(200_000, 200_200), ...extremes].filter((one) => !known.has(one));
    expect(unknown.length).toBeGreaterThan(500);
    for (const address of [nameServer, brokerAddress]) {
      const client = await connectEngine(address);
      const replies = await Promise.all(unknown.map((one) => client.invoke({ code: one, extFields: {} })));
      expect(new Set(replies.map((reply) => reply.code))).toEqual(new Set([ResponseCode.REQUEST_CODE_NOT_SUPPORTED]));
      expect(replies[0]?.remark).toBe(`request code ${unknown[0]} is not supported`);
    }
  });

  it.each([
    ['of the broker', 25],
    ['of the name server', 318],
  ])('does not change the configuration %s', async (_, configCode) => {
    const { nameServer, brokerAddress } = await startTestEngine();
    const body = Buffer.from('rocketmqHome=/tmp\nbrokerName=mine\n');
    for (const address of [nameServer, brokerAddress]) {
      const client = await connectEngine(address);
      const { code: answered } = await client.invoke({ code: configCode, extFields: {}, body });
      expect(answered).toBe(ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
    }
  });

  it('answers every code that it knows, however little the request says, without a mistake', async () => {
    const errors: unknown[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (facts) => errors.push(facts) };
    const { brokerAddress } = await startTestEngine({ log });
    const client = await connectEngine(brokerAddress);
    const codes = processorTables.flat().map(([one]) => one);
    const bodies = ['', '{}', '[]', 'null', '{"a":', '\u0000'.repeat(50)];
    for (const body of bodies) {
      await Promise.all(codes.map((one) => client.invoke({ code: one, extFields: {}, body: Buffer.from(body) })));
    }
    expect(errors).toEqual([]);
  });
});
