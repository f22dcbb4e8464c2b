import { describe, expect, test } from 'vitest';
import {
  bothObservers,
  type ClientObserver,
  observeBatch,
  observeProcess,
  observeReceive,
  observeSend,
  observeSettle,
} from '../../src/client/observer.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { OutgoingMessage, SendResult } from '../../src/client/send/outgoing-message.ts';
import { outgoing } from '../support/real-client.ts';

const message = outgoing('topic', 'body', { properties: [['own', '1']] });
// Observers only hand these on.
const result = { messageId: 'ID' } as SendResult;
const received = { messageId: 'ID' } as ReceivedMessage;
const failure = new Error('no');

/** Writes down what it sees. */
function recorder(name: string, seen: string[]): ClientObserver {
  const call = (what: string) => ({
    async run<T>(run: () => Promise<T>): Promise<T> {
      seen.push(`${name} ${what} begins`);
      return run();
    },
    ended: (messages: readonly ReceivedMessage[], error?: unknown) =>
      seen.push(`${name} ${what} ended ${messages.length} ${error === failure}`),
  });
  return {
    sending: (_, kind) => ({
      properties: [[name, kind]],
      run: call('send').run,
      stored: ({ messageId }) => seen.push(`${name} stored ${messageId}`),
      failed: (error) => seen.push(`${name} failed ${error === failure}`),
    }),
    receiving: () => call('receive'),
    processing: () => ({
      run(handler) {
        seen.push(`${name} process begins`);
        return handler();
      },
      ended: (outcome, error) => seen.push(`${name} ${outcome} ${error === failure}`),
    }),
    settling: (_, __, settlement) => call(settlement),
  };
}

const fail = (): Promise<never> => Promise.reject(failure);

describe.each([
  ['one observer', 1],
  ['two observers', 2],
])('%s', (_, count) => {
  function start() {
    const seen: string[] = [];
    const one = recorder('a', seen);
    const observer = count === 1 ? one : bothObservers(one, recorder('b', seen));
    const both = (text: string): string[] => (count === 1 ? [`a ${text}`] : [`a ${text}`, `b ${text}`]);
    const nested = (text: string): string[] => (count === 1 ? [`a ${text}`] : [`b ${text}`, `a ${text}`]);
    return { seen, observer, both, nested };
  }

  test('see sends, and add properties to the message', async () => {
    const { seen, observer, both, nested } = start();
    let sent: OutgoingMessage | undefined;
    const send = async (one: OutgoingMessage) => {
      sent = one;
      return result;
    };
    expect(await observeSend(observer, message, 'half', send)).toBe(result);
    expect([...(sent?.properties ?? [])].slice(0, 2)).toEqual([
      ['own', '1'],
      ['a', 'half'],
    ]);
    await expect(observeSend(observer, message, 'normal', fail)).rejects.toBe(failure);
    expect(seen).toEqual([
      ...nested('send begins'),
      ...both('stored ID'),
      ...nested('send begins'),
      ...both('failed true'),
    ]);
  });

  test('see each message of a batch', async () => {
    const { seen, observer, both } = start();
    const results = await observeBatch(observer, [message, message], async (all) => {
      expect([...(all[1]?.properties ?? [])]).toContainEqual(['a', 'batch']);
      return [result, result];
    });
    expect(results).toEqual([result, result]);
    await expect(observeBatch(observer, [message], fail)).rejects.toBe(failure);
    expect(seen).toEqual([...both('stored ID'), ...both('stored ID'), ...both('failed true')]);
  });

  test('see the work on messages', async () => {
    const { seen, observer, both, nested } = start();
    expect(await observeProcess(observer, { message: received, group: 'g' }, () => 5)).toBe(5);
    await expect(observeProcess(observer, { message: received, group: 'g' }, fail)).rejects.toBe(failure);
    const begins = nested('process begins');
    expect(seen).toEqual([...begins, ...both('success false'), ...begins, ...both('failure true')]);
  });

  test('see what is received and settled', async () => {
    const { seen, observer, both, nested } = start();
    const reading = { group: 'g', topic: 'topic' };
    expect(await observeReceive(observer, reading, async () => [received])).toEqual([received]);
    await expect(observeReceive(observer, reading, fail)).rejects.toBe(failure);
    const settling = { message: received, group: 'g', settlement: 'ack' } as const;
    expect(await observeSettle(observer, settling, async () => 5)).toBe(5);
    await expect(observeSettle(observer, settling, fail)).rejects.toBe(failure);
    expect(seen).toEqual([
      ...[...nested('receive begins'), ...both('receive ended 1 false')],
      ...[...nested('receive begins'), ...both('receive ended 0 true')],
      ...[...nested('ack begins'), ...both('ack ended 1 false')],
      ...[...nested('ack begins'), ...both('ack ended 1 true')],
    ]);
  });
});

test.each([
  ['no observer', undefined],
  ['one that wants nothing', {}],
  ['two that want nothing', bothObservers({}, {})],
])('with %s all goes as without', async (_, observer) => {
  expect(await observeSend(observer, message, 'normal', async (one) => ({ ...result, same: one === message }))).toEqual(
    {
      ...result,
      same: true,
    },
  );
  expect(await observeBatch(observer, [message], async ([one]) => (one === message ? [result] : []))).toEqual([result]);
  expect(await observeProcess(observer, { message: received, group: 'g' }, () => 5)).toBe(5);
  expect(await observeReceive(observer, { group: 'g', topic: 't' }, async () => [received])).toEqual([received]);
  const settling = { message: received, group: 'g', settlement: 'nack' } as const;
  expect(await observeSettle(observer, settling, async () => 5)).toBe(5);
});
