// A store in a process of its own, to be killed: node storing-program.mjs COMPILED_SOURCE DIRECTORY FLUSH IN_FLIGHT FIRST_NUMBER [COUNT]
// Stores numbered messages for as long as it lives, or so many, and writes a line for each: "ok NUMBER QUEUE_OFFSET" once it is stored,
// "failed NUMBER KIND" when it is not. Every tenth append is of three messages.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , compiled, directory, flush, inFlight, firstNumber, count = 'Infinity'] = process.argv;
const load = (path) => import(pathToFileURL(join(compiled, 'broker', path)).href);
const { openMessageStore } = await load('store/open-store.js');
const { systemClock } = await load('clock.js');

const store = await openMessageStore({
  directory,
  flush,
  storeHost: '127.0.0.1:10911',
  clock: systemClock,
  segmentBytes: 200_000,
});
let next = Number(firstNumber);
const end = next + Number(count);

function draft(body) {
  return {
    topic: 'orders',
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: '127.0.0.1:1',
    reconsumeTimes: 0,
    replaces: 0,
    body: Buffer.from(body),
    properties: new Map(),
  };
}

async function send() {
  while (next < end) {
    const number = next;
    next += 1;
    const parts = number % 10 === 0 ? ['a', 'b', 'c'] : [''];
    try {
      const [place] = await store.append(parts.map((part) => draft(`${number}${part} ${'x'.repeat(number % 300)}`)));
      writeSync(1, `ok ${number} ${place.queueOffset}\n`);
    } catch (error) {
      writeSync(1, `failed ${number} ${error.kind}\n`);
    }
  }
}

writeSync(1, 'open\n');
await Promise.all(Array.from({ length: Number(inFlight) }, send));
await store.close();
writeSync(1, 'closed\n');
