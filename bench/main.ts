/**
 * `npm run bench`: what does this proxy do beside others, and what does each cost? `--quick` asks less and prints ratios, `--only NAME,NAME`
 * asks some, `--json FILE` keeps the figures as well.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Answer } from './answer.ts';
import { type BrokerProcess, startApache, startCannedBroker } from './brokers.ts';
import { bodyBytes, type Effort } from './comparisons.ts';
import { findPeers } from './peers.ts';
import { type Question, questions } from './questions.ts';
import { headOf, tableOf } from './report.ts';

const whole: Effort = { roundCount: 3, warmMs: 4_000, measuredMs: 6_000, backlogCount: 60_000 };
const quick: Effort = { roundCount: 3, warmMs: 2_000, measuredMs: 3_000, backlogCount: 20_000 };

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'string' } },
});
const asked = questions.filter(({ name, isQuick }) =>
  values.only === undefined ? isQuick || !values.quick : values.only.split(',').includes(name),
);
if (asked.length === 0) {
  console.error(`No such question: ${values.only}. There are ${questions.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}

const effort = values.quick ? quick : whole;
const head = headOf(
  `${bodyBytes} B bodies, medians of ${effort.roundCount} rounds (least–most), proxy and clients on one machine`,
);
console.log(head);
const peers = await findPeers();
const brokers = new Map<Question['sink'], BrokerProcess>();
const answers: ({ readonly title: string } & Answer)[] = [];
try {
  for (const { title, sink, ask } of asked) {
    let broker = brokers.get(sink);
    broker ??= await (sink === 'apache' ? startApache() : startCannedBroker());
    brokers.set(sink, broker);
    const answer = await ask({ broker, peers, effort });
    answers.push({ title, ...answer });
    console.log(`## ${title}\n\n${tableOf(answer.rows)}\n`);
    if (answer.ratios.length > 0) console.log(`This proxy over the Go proxy:\n\n${tableOf(answer.ratios)}\n`);
  }
} finally {
  for (const broker of brokers.values()) await broker.stop();
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ head, answers }, undefined, 2)}\n`);
