/** Asks questions, and goes on to the next where one fails. */
import { missingForRocketMQ } from '../test/rocketmq/java.ts';
import type { Bench } from './bench.ts';
import { type BrokerProcess, startApache, startCannedBroker, startEngineProcess } from './brokers.ts';
import { type Figures, failedFigures, failuresOf, ratiosOf, rowsOf } from './figures.ts';
import { apacheVersion } from './peers.ts';
import { proxyNames } from './proxies.ts';
import { type Question, type Sink, sinkNames } from './questions.ts';
import { tableOf } from './report.ts';

/** From then on every question has one round, so that a slow machine ends the whole in time as well. */
const manyRoundsMs = 16 * 60_000;

export interface Answer {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figures[];
  /** All of it in Markdown. */
  readonly text: string;
}

const startSink: Readonly<Record<Sink, () => Promise<BrokerProcess>>> = {
  canned: startCannedBroker,
  engine: () => startEngineProcess('memory'),
  apache: startApache,
};

/** Each sink runs alone, for as long as it has questions. */
export async function* askAll(asked: readonly Question[], bench: Omit<Bench, 'broker'>): AsyncGenerator<Answer> {
  const oneRoundFromMs = performance.now() + manyRoundsMs;
  for (const sink of Object.keys(startSink) as Sink[]) {
    const ofSink = asked.filter((question) => question.sink === sink);
    const skipped = new Map(ofSink.flatMap((question) => whySkipped(question, bench)));
    for (const question of ofSink.filter(({ name }) => skipped.has(name))) {
      yield answerOf(question, [], `Skipped. ${skipped.get(question.name)}`);
    }
    const left = ofSink.filter(({ name }) => !skipped.has(name));
    if (left.length === 0) continue;
    let broker: BrokerProcess;
    try {
      broker = await startSink[sink]();
    } catch (error) {
      for (const question of left) yield answerOf(question, [failedFigures('start', sinkNames[sink], error)]);
      continue;
    }
    try {
      for (const question of left) {
        const isLate = performance.now() > oneRoundFromMs;
        const effort = isLate ? { ...bench.effort, roundCount: 1 } : bench.effort;
        yield answerOf(question, await figuresOf(question, { ...bench, broker, effort }));
      }
    } finally {
      await broker.stop();
    }
  }
}

/** The tools that are missing without which nothing can be said, by the question's name; nothing where none are. */
function whySkipped({ name, sink, needsGo = false }: Question, { peers }: Omit<Bench, 'broker'>): [string, string][] {
  const missing =
    (sink === 'apache' ? missingForRocketMQ([apacheVersion]) : undefined) ??
    (needsGo && peers.go === undefined ? 'Go is missing.' : undefined);
  return missing === undefined ? [] : [[name, missing]];
}

async function figuresOf({ title, ask }: Question, bench: Bench): Promise<Figures[]> {
  try {
    return await ask(bench);
  } catch (error) {
    return [failedFigures(title, 'all', error)];
  }
}

function answerOf({ name, title, sink }: Question, figures: readonly Figures[], note?: string): Answer {
  const parts = [`## ${name}: ${title}; ${sinkNames[sink]}`, note ?? tableOf(rowsOf(figures))];
  for (const peer of [proxyNames.go, proxyNames.apache]) {
    const ratios = ratiosOf(figures, proxyNames.own, peer);
    if (ratios.length > 0) parts.push(`Divided by the figures of: ${peer}`, tableOf(ratios));
  }
  return { name, title, figures, text: [...parts, ...failuresOf(name, figures)].join('\n\n') };
}
