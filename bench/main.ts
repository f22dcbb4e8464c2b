/**
 * `npm run bench`: what does this proxy do beside others, and what does each cost? `--quick` asks less and shortly, `--only NAME,NAME` asks
 * some, `--json FILE` keeps the figures as well. Ends with 1 where a call of anyone failed; figures alone fail nothing.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { missingForRocketMQ } from '../test/rocketmq/java.ts';
import { type Bench, bodyBytes, quickEffort, wholeEffort } from './bench.ts';
import { type BrokerProcess, startApache, startCannedBroker, startEngineProcess } from './brokers.ts';
import { type Figures, failuresOf, ratiosOf, rowsOf } from './figures.ts';
import { goals, verdictsOf } from './goals.ts';
import { apacheVersion, findPeers } from './peers.ts';
import { proxyNames } from './proxies.ts';
import { type Question, questions, type Sink, sinkNames } from './questions.ts';
import { headOf, tableOf } from './report.ts';

const startSink: Readonly<Record<Sink, () => Promise<BrokerProcess>>> = {
  canned: startCannedBroker,
  engine: () => startEngineProcess('memory'),
  apache: startApache,
};

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'string' } },
});
const startedMs = performance.now();
const asked = questions.filter(({ name, isQuick }) =>
  values.only === undefined ? isQuick || !values.quick : values.only.split(',').includes(name),
);
if (asked.length === 0) {
  console.error(`No such question: ${values.only}. There are ${questions.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const effort = values.quick ? quickEffort : wholeEffort;
const names = new Set(asked.map(({ name }) => name));
const peers = await findPeers({
  apacheProxy: names.has('receive') || names.has('send-apache'),
  java: names.has('clients'),
});
const rounds = effort.roundCount === 1 ? 'one round' : `medians of ${effort.roundCount} rounds (least–most)`;
const head = headOf(
  `${bodyBytes} B bodies, ${rounds} of ${effort.measuredMs / 1_000} s, all on one machine`,
  peers.versions,
);
console.log(
  `${head}\nCPU and peak MB are of the proxy, or without one of the client; load cores are the load client's CPU time over time.\n`,
);
const answers = await answersOf(asked);

const verdicts = verdictsOf(
  answers,
  goals.filter(({ measured }) => names.has(measured.question)),
);
console.log(`## Goals\n\n${tableOf(verdicts)}\n\nTook ${((performance.now() - startedMs) / 1_000).toFixed(0)} s.`);
if (values.json !== undefined) {
  const kept = { head, answers: Object.fromEntries(answers), verdicts };
  await writeFile(values.json, `${JSON.stringify(kept, undefined, 2)}\n`);
}
const failures = [...answers].flatMap(([question, figures]) => failuresOf(question, figures));
for (const failure of failures) console.error(failure);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Each sink runs alone, for as long as it has questions. */
async function answersOf(asked: readonly Question[]): Promise<Map<string, readonly Figures[]>> {
  const answers = new Map<string, readonly Figures[]>();
  for (const sink of Object.keys(startSink) as Sink[]) {
    const ofSink = asked.filter((question) => question.sink === sink && !isSkipped(question));
    if (ofSink.length === 0) continue;
    const broker = await startSink[sink]();
    try {
      for (const question of ofSink) answers.set(question.name, await answerOf(question, { broker, peers, effort }));
    } finally {
      await broker.stop();
    }
  }
  return answers;
}

/** Whether tools are missing without which nothing can be said; told where it is so. */
function isSkipped({ name, sink, needsGo = false }: Question): boolean {
  const missing =
    (sink === 'apache' ? missingForRocketMQ([apacheVersion]) : undefined) ??
    (needsGo && peers.go === undefined ? 'Go is missing.' : undefined);
  if (missing !== undefined) console.error(`Skipped: ${name}. ${missing}`);
  return missing !== undefined;
}

async function answerOf({ name, title, sink, ask }: Question, bench: Bench): Promise<readonly Figures[]> {
  const figures = await ask(bench);
  console.log(`## ${name}: ${title}; ${sinkNames[sink]}\n\n${tableOf(rowsOf(figures))}\n`);
  for (const peer of [proxyNames.go, proxyNames.apache]) {
    const ratios = ratiosOf(figures, proxyNames.own, peer);
    if (ratios.length > 0) console.log(`Divided by the figures of: ${peer}\n\n${tableOf(ratios)}\n`);
  }
  return figures;
}
