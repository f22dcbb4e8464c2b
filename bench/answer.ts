import { columnsOf, type Measurement, type Result } from './measure.ts';
import { goProxyName } from './proxies.ts';
import { median, type Row } from './report.ts';

/** What is told of one question. */
export interface Answer {
  readonly rows: readonly Row[];
  /** This proxy's figures divided by the Go proxy's. */
  readonly ratios: readonly Row[];
  /** What the rows are made of. */
  readonly results: readonly Result[];
}

export function answerOf(results: readonly Result[]): Answer {
  const rows = results.map(({ case: name, name: proxy, rounds }) => ({
    case: name,
    proxy,
    ...columnsOf(rounds, 'proxy'),
  }));
  return { rows, ratios: results.flatMap((own) => ratiosOf(own, results)), results };
}

function ratiosOf(own: Result, results: readonly Result[]): Row[] {
  const peer = results.find((other) => other.name === goProxyName && other.case === own.case);
  if (peer === undefined || peer === own) return [];
  const ratio = (value: (one: Measurement) => number): string =>
    (median(own.rounds.map(value)) / median(peer.rounds.map(value))).toFixed(2);
  return [
    {
      case: own.case,
      proxy: own.name,
      'messages/s': ratio(({ perSecond }) => perSecond),
      'p99 ms': ratio(({ p99Ms }) => p99Ms),
      'proxy CPU': ratio(({ micros }) => micros),
    },
  ];
}
