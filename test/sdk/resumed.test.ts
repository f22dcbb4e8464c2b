import { describe, expect, test } from 'vitest';
import { MQError } from '../../src/sdk/mq-error.ts';
import { pauseBefore, resumed } from '../../src/sdk/resumed.ts';

/** Opens streams that give these, one stream after the other. */
function streamsOf(...streams: readonly (string | MQError)[][]): () => AsyncGenerator<string> {
  const rest = streams.map((stream) => [...stream]);
  return async function* () {
    for (const one of rest.shift() ?? []) {
      if (one instanceof MQError) throw one;
      yield one;
    }
  };
}

const broken = new MQError('UNAVAILABLE', 'NO_ANSWER', 'broken');
const refused = new MQError('PERMISSION_DENIED', 'BROKER_REFUSED', 'refused');

async function read(open: () => AsyncGenerator<string>, signal = new AbortController().signal) {
  const [bodies, failures]: [string[], MQError[]] = [[], []];
  for await (const body of resumed(open, signal, (error) => failures.push(error))) bodies.push(body);
  return { bodies, failures };
}

describe('streams', () => {
  test('are opened again where they break, and not where they end', async () => {
    expect(await read(streamsOf(['1', broken], [broken], ['2'], ['3']))).toEqual({
      bodies: ['1', '2'],
      failures: [broken, broken],
    });
  });

  test('that are refused are not opened again', async () => {
    await expect(read(streamsOf(['1', refused], ['2']))).rejects.toBe(refused);
  });

  test('are not opened again once the signal is aborted, also in a pause', async () => {
    const ending = new AbortController();
    const read = async () => {
      for await (const _ of resumed(streamsOf([broken], ['2']), ending.signal, () => ending.abort())) return 'received';
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
