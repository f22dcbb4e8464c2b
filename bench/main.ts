/**
 * `npm run bench`: what does this proxy do beside others, and what does each cost? `--quick` asks less and shortly, `--only NAME,NAME` asks
 * some, `--json FILE` keeps the figures as well, those so far after each question. Ends with 1 where a call of anyone failed; figures alone fail
 * nothing.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { type Answer, askAll } from './answers.ts';
import { bodyBytes, loadProcessCount, quickEffort, wholeEffort } from './bench.ts';
import { failuresOf } from './figures.ts';
import { goals, verdictsOf } from './goals.ts';
import { findPeers } from './peers.ts';
import { questions } from './questions.ts';
import { headOf, tableOf } from './report.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'string' } },
});
const startedMs = performance.now();
const only = values.only?.split(',');
const unknown = only?.filter((name) => !questions.some((question) => question.name === name)) ?? [];
if (unknown.length > 0) {
  console.error(`No such question: ${unknown}. There are ${questions.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const asked = questions.filter(({ name, isQuick }) => only?.includes(name) ?? (isQuick || !values.quick));
const effort = values.quick ? quickEffort : wholeEffort;
const names = new Set(asked.map(({ name }) => name));
const peers = await findPeers({
  apacheProxy: names.has('receive') || names.has('send-apache'),
  java: names.has('clients'),
});
const rounds =
  effort.roundCount === 1 ? 'one round' : `medians of ${effort.roundCount} interleaved rounds (least–most)`;
const head = [
  headOf(`${bodyBytes} B bodies, ${rounds} of ${effort.measuredMs / 1_000} s, all on one machine`, peers.versions),
  'CPU and peak MB are of the proxy, or without one of the client, by the operating system; load cores are the CPU time of the load client',
  `(${loadProcessCount} processes that send, one that receives) over time.`,
  ...peers.leftOut,
].join('\n');
console.log(`${head}\n`);
const answers: Answer[] = [];
for await (const answer of askAll(asked, { peers, effort })) {
  answers.push(answer);
  console.log(`${answer.text}\n`);
  await keep();
}
if (verdicts().length > 0) console.log(`## Goals\n\n${tableOf(verdicts())}\n`);
console.log(`Took ${((performance.now() - startedMs) / 1_000).toFixed(0)} s.`);
const hasFailed = answers.some(({ name, figures }) => failuresOf(name, figures).length > 0);
process.exit(hasFailed ? 1 : 0);

function verdicts() {
  return verdictsOf(
    new Map(answers.map(({ name, figures }) => [name, figures])),
    goals.filter(({ measured }) => names.has(measured.question)),
  );
}

async function keep(): Promise<void> {
  if (values.json === undefined) return;
  await mkdir(dirname(values.json), { recursive: true });
  const kept = { head, asked: [...names], answers, verdicts: verdicts() };
  await writeFile(values.json, `${JSON.stringify(kept, undefined, 2)}\n`);
}
