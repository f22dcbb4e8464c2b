/** What this project promises of its speed and size, and whether figures hold it. */
import { clientNames } from './clients.ts';
import { type Column, columns, type Figures, medianOf } from './figures.ts';
import { proxyNames } from './proxies.ts';
import { idleGroupCount } from './receives.ts';
import type { Row } from './report.ts';

/** The median of one column of one contestant. */
interface Place {
  readonly question: string;
  readonly case: string;
  readonly name: string;
  readonly column: Column;
}

/** One figure, or its ratio to the best of others, and the bounds that it is to keep. */
export interface Goal {
  readonly path: string;
  readonly measured: Place;
  /** The goal is for the ratio to these: to the greatest where there is a least, to the smallest else. */
  readonly over?: readonly Place[];
  readonly least?: number;
  readonly most?: number;
  /** How the same figure of the Go proxy grows, to judge by: it is no part of the goal. */
  readonly goGrowth?: readonly [measured: Place, over: Place];
}

/** What each question that was asked gave. */
export type FiguresByQuestion = ReadonlyMap<string, readonly Figures[]>;

type Limit = readonly [column: Column, bound: 'least' | 'most', factor: number];

/** Goals of one contestant beside some peers in the same case of a question. */
function beside(
  path: string,
  { question, case: name, own, peers }: { question: string; case: string; own: string; peers: readonly string[] },
  limits: readonly Limit[],
): Goal[] {
  const placeOf = (who: string, column: Column): Place => ({ question, case: name, name: who, column });
  return limits.map(([column, bound, factor]) => ({
    path,
    measured: placeOf(own, column),
    over: peers.map((peer) => placeOf(peer, column)),
    [bound]: factor,
  }));
}

/** Goals of this proxy between two cases of one question. */
function growth(path: string, question: string, cases: readonly [string, string], limits: readonly Limit[]): Goal[] {
  const placesOf = (name: string, column: Column): [Place, Place] => [
    { question, case: cases[1], name, column },
    { question, case: cases[0], name, column },
  ];
  return limits.map(([column, bound, factor]) => {
    const [measured, over] = placesOf(proxyNames.own, column);
    return { path, measured, over: [over], goGrowth: placesOf(proxyNames.go, column), [bound]: factor };
  });
}

const goProxy = { own: proxyNames.own, peers: [proxyNames.go] };
const sends = ['send-canned', 'send-apache'].flatMap((question) => [
  ...beside(`unary send, 1 in flight (${question})`, { question, case: '1 in flight', ...goProxy }, [
    ['p50 ms', 'most', 1],
    ['CPU µs/message', 'most', 0.7],
  ]),
  ...['64 in flight', '512 in flight'].flatMap((name) =>
    beside(`unary send, ${name} (${question})`, { question, case: name, ...goProxy }, [
      ['CPU µs/message', 'most', 0.5],
      ['messages/s', 'least', 1],
      ['p99 ms', 'most', 1],
    ]),
  ),
]);

const clients = ['send, 1 in flight', 'send, 64 in flight', 'send, 512 in flight', 'receive + ack'].flatMap((name) =>
  beside(
    `client without a proxy, ${name}`,
    { question: 'clients', case: name, own: clientNames.own, peers: [clientNames.java, clientNames.go] },
    [
      ['messages/s', 'least', 1],
      ['CPU µs/message', 'most', 1],
    ],
  ),
);

const memory: readonly Goal[] = [
  ...['send-canned', 'send-apache'].map((question) => ({
    path: `memory under full load (${question})`,
    measured: { question, case: '512 in flight', name: proxyNames.own, column: 'peak MB' as const },
    most: 120,
  })),
  ...[proxyNames.pull, proxyNames.pop].map((name) => ({
    path: `memory of an idle stream (${name})`,
    measured: { question: 'idle', case: `${idleGroupCount} groups`, name, column: 'KB/stream' as const },
    most: 20,
  })),
];

/** In the order in which they are told. */
export const goals: readonly Goal[] = [
  ...sends,
  ...beside(
    'receive + ack, pull',
    { question: 'receive', case: 'backlog', own: proxyNames.pull, peers: [proxyNames.go] },
    [
      ['messages/s', 'least', 1],
      ['CPU µs/message', 'most', 0.5],
    ],
  ),
  ...beside(
    'receive + ack, POP',
    { question: 'receive', case: 'backlog', own: proxyNames.pop, peers: [proxyNames.apache] },
    [
      ['messages/s', 'least', 2],
      ['CPU µs/message', 'most', 0.3],
      ['broker CPU µs/message', 'most', 0.4],
    ],
  ),
  ...beside('SDK, concurrent publishes', { question: 'sdk', case: '512 in flight', ...goProxy }, [
    ['messages/s', 'least', 3],
  ]),
  ...clients,
  ...memory,
  ...growth(
    '1 to 1,000 topics',
    'topics',
    ['1 topics', '1000 topics'],
    [
      ['peak MB', 'most', 1.2],
      ['CPU µs/message', 'most', 1.2],
    ],
  ),
  ...growth(
    '4 to 1,000 connections',
    'connections',
    ['4 connections', '1000 connections'],
    [['CPU µs/message', 'most', 1.2]],
  ),
];

/**
 * A line for each goal: what it is, the figure, the one beside it, their ratio, and whether it is held; dashes for what was not measured, or is
 * no part of the goal.
 */
export function verdictsOf(figures: FiguresByQuestion, asked: readonly Goal[] = goals): Row[] {
  return asked.map((goal) => {
    const { measured, over, goGrowth, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = goal;
    const figure = valueAt(measured, figures);
    const other = otherOf(goal, figures);
    const ratio = ratioOf(figure, other);
    const judged = over === undefined ? figure : ratio;
    const shown = (value: number | undefined): string => value?.toFixed(columns[measured.column]) ?? '–';
    const growth = goGrowth?.map((place) => valueAt(place, figures));
    return {
      path: goal.path,
      goal: wordsOf(goal),
      measured: shown(figure),
      beside: shown(other),
      ratio: ratio?.toFixed(2) ?? '–',
      'Go proxy grows': ratioOf(growth?.[0], growth?.[1])?.toFixed(2) ?? '–',
      held: judged === undefined ? '–' : judged >= least && judged <= most ? 'yes' : 'NO',
    };
  });
}

/** The best of those that a goal is beside. */
function otherOf({ over = [], least }: Goal, figures: FiguresByQuestion): number | undefined {
  const others = over.flatMap((place) => valueAt(place, figures) ?? []);
  if (others.length === 0) return undefined;
  return least === undefined ? Math.min(...others) : Math.max(...others);
}

function ratioOf(figure: number | undefined, other: number | undefined): number | undefined {
  return figure === undefined || other === undefined ? undefined : figure / other;
}

function valueAt({ question, case: name, name: who, column }: Place, figures: FiguresByQuestion): number | undefined {
  const found = figures.get(question)?.find((one) => one.case === name && one.name === who);
  return found === undefined ? undefined : medianOf(found, column);
}

function wordsOf({ measured, over, least, most }: Goal): string {
  const bound = least === undefined ? `≤ ${most}` : `≥ ${least}`;
  if (over === undefined) return `${measured.column} ${bound}`;
  const [first] = over;
  const others = first?.name === measured.name ? first.case : first?.name;
  return `${measured.column} ${bound} × ${over.length > 1 ? 'the best other' : others}`;
}
