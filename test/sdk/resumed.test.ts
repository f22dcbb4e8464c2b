import { describe, expect, test } from 'vitest';
import type { ConsumerPort } from '../../src/sdk/gateway.ts';
import type { MessageData } from '../../src/sdk/message.ts';
import { MQError } from '../../src/sdk/mq-error.ts';
import { pauseBefore, resumed } from '../../src/sdk/resumed.ts';

const message = (body: string): MessageData => ({
  messageId: body,
  receiptHandle: body,
  body,
  tag: '',
  properties: {},
  bornTimestamp: 0,
  reconsumeTimes: 0,
});

/** A consumer whose streams give these, one stream after the other. */
function portOf(...streams: readonly (string | MQError)[][]): ConsumerPort {
  const rest = streams.map((stream) => [...stream]);
  const unused = (): never => {
    throw new Error('nobody calls this');
  };
  return {
    id: '',
    ack: unused,
    nack: unused,
    changeInvisibleDuration: unused,
    close: unused,
    async *stream() {
      for (const one of rest.shift() ?? []) {
        if (one instanceof MQError) throw one;
        yield message(one);
      }
    },
  };
}

const broken = new MQError('UNAVAILABLE', 'NO_ANSWER', 'broken');
const refused = new MQError('PERMISSION_DENIED', 'BROKER_REFUSED', 'refused');

async function read(port: ConsumerPort, signal = new AbortController().signal) {
  const [bodies, failures]: [unknown[], MQError[]] = [[], []];
  for await (const { body } of resumed(port, signal, (error) => failures.push(error))) bodies.push(body);
  return { bodies, failures };
}

describe('streams', () => {
  test('are opened again where they break, and not where they end', async () => {
    expect(await read(portOf(['1', broken], [broken], ['2'], ['3']))).toEqual({
      bodies: ['1', '2'],
      failures: [broken, broken],
    });
  });

  test('that are refused are not opened again', async () => {
    await expect(read(portOf(['1', refused], ['2']))).rejects.toBe(refused);
  });

  test('are not opened again once the signal is aborted, also in a pause', async () => {
    const ending = new AbortController();
    const read = async () => {
      for await (const _ of resumed(portOf([broken], ['2']), ending.signal, () => ending.abort())) return 'received';
      return 'ended';
    };
    expect(await read()).toBe('ended');
  });
});

test('pauses grow to 10 s, and are of any length below', () => {
  const longest = [0, 1, 2, 6, 7, 50].map((failures) => pauseBefore(failures, () => 1));
  expect(longest).toEqual([100, 200, 400, 6_400, 10_000, 10_000]);
  expect(pauseBefore(3, () => 0.5)).toBe(400);
});
