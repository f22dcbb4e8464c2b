import { afterAll, beforeAll, expect, test } from 'vitest';
import { CompiledStore, StoringProcess } from './storing-process.ts';
import { bodiesOf, keptLog, newFolder, openStore } from './support.ts';

/** Set it to 1,000 for a long run. */
const roundCount = 20;

let compiled: CompiledStore;

beforeAll(() => {
  compiled = new CompiledStore();
});

afterAll(() => compiled.remove());

/** Numbers of the messages that are there, by queue offset; those of one append must be complete. */
function numbersOf(bodies: ReadonlyMap<number, string>): Map<number, number> {
  const numbers = new Map<number, number>();
  let expected = '';
  for (const [offset, body] of bodies) {
    const [, digits = '', part = ''] = /^(\d+)([abc]?) x*$/.exec(body) ?? [];
    expect(body.length).toBe(digits.length + part.length + 1 + (Number(digits) % 300));
    expect(part).toBe(expected === '' && part !== '' ? 'a' : expected);
    expected = part === 'a' ? 'b' : part === 'b' ? 'c' : '';
    numbers.set(offset, Number(digits));
  }
  expect(expected).toBe('');
  return numbers;
}

test(`nothing that was stored is lost when the process is killed, ${roundCount} times`, async () => {
  const directory = newFolder();
  const stored = new Map<number, number>();
  for (let round = 0; round < roundCount; round += 1) {
    const child = new StoringProcess(compiled, {
      directory,
      flush: round % 2 === 0 ? 'async' : 'sync',
      inFlight: [1, 16, 64][round % 3] ?? 1,
      firstNumber: round * 1_000_000,
    });
    // Each round ends somewhere else.
    const wanted = 1 + ((round * 37) % 200);
    await child.until(() => child.stored.size >= wanted);
    await child.kill();
    for (const [number, offset] of child.stored) stored.set(number, offset);
  }
  const { log, lines } = keptLog();
  const numbers = numbersOf(bodiesOf(await openStore({ directory, log })));
  for (const [number, offset] of stored)
    if (numbers.get(offset) !== number) expect.fail(`${number} is not at ${offset}`);
  expect(stored.size).toBeGreaterThan(roundCount * 50);
  // A torn end is ordinary; damage is not.
  expect(lines.filter(({ message }) => !message.startsWith('the end of the log was not written whole'))).toEqual([]);
  expect([...numbers.keys()]).toEqual(Array.from(numbers.keys(), (_, index) => index));
}, 120_000);
