/** What proxies do when they are sent to. */
import { type Bench, bodyBytes, connectionCount, loadProcessCount } from './bench.ts';
import type { Figures } from './figures.ts';
import { type Contestant, interleave, measure } from './measure.ts';
import { type ProxyKind, type ProxyProcess, proxyNames, withProxies } from './proxies.ts';
import { fillTopic } from './stored-messages.ts';

export interface SendCase {
  readonly name: string;
  readonly inFlight: number;
  /** Default 4, and no more than are in flight. */
  readonly connections?: number;
  /** Default 1. */
  readonly topics?: number;
  /** As `peers/go/send.go` names them; all but `message` and `ordered` are this proxy's alone. Default `message`. */
  readonly kind?: 'message' | 'ordered' | 'batch' | 'publish';
}

/** All cases on the same proxies. */
export async function compareSends(
  bench: Bench,
  kinds: readonly ProxyKind[],
  cases: readonly SendCase[],
): Promise<Figures[]> {
  await makeTopics(bench, cases);
  return withProxies(bench, kinds, (proxies) =>
    interleave(
      bench.effort.roundCount,
      cases.flatMap((one) => proxies.flatMap((proxy) => contestantOf(bench, one, proxy))),
    ),
  );
}

/** Each case on proxies of its own, so that memory can be compared as well. */
export async function compareGrowth(
  bench: Bench,
  kinds: readonly ProxyKind[],
  cases: readonly SendCase[],
): Promise<Figures[]> {
  const figures: Figures[] = [];
  for (const one of cases) figures.push(...(await compareSends(bench, kinds, [one])));
  return figures;
}

/** This SDK by this proxy, and a plain gRPC client by the Go proxy. */
export async function compareSdk(bench: Bench): Promise<Figures[]> {
  const { broker, effort } = bench;
  const plain: SendCase = { name: '512 in flight', inFlight: 512 };
  await makeTopics(bench, [plain]);
  return withProxies(bench, ['own', 'go'], (proxies) => {
    const contestants = proxies.flatMap((proxy) => {
      if (proxy.name === proxyNames.go) return contestantOf(bench, plain, proxy);
      // One process, as a program is that publishes without waiting.
      const parameters = [topicsOf(plain), plain.inFlight, effort.warmMs, effort.measuredMs, bodyBytes].map(String);
      const command = [process.execPath, 'build/bench/peers/sdk.js', 'send', proxy.address, ...parameters];
      return [{ case: plain.name, name: proxy.name, run: () => measure({ proxy, broker, commands: [command] }) }];
    });
    return interleave(effort.roundCount, contestants);
  });
}

function contestantOf({ broker, peers, effort }: Bench, one: SendCase, proxy: ProxyProcess): Contestant[] {
  const { name, kind = 'message' } = one;
  const isOwn = proxy.name === proxyNames.own;
  const isApache = proxy.name === proxyNames.apache;
  // The published API has these alone, and Apache's is loaded with the first only.
  if (!(isOwn || kind === 'message' || (kind === 'ordered' && !isApache))) return [];
  const mode = isApache ? ['apache-send', proxy.address] : ['send', proxy.address, kind];
  const run = (round: number) => {
    // The proxies are the same in all rounds, and stay warm.
    const warmMs = round === 0 ? effort.warmMs : effort.warmMs / 3;
    const commands = sharesOf(one).map(({ inFlight, connections }) => {
      const numbers = [inFlight, connections, warmMs, effort.measuredMs, bodyBytes];
      return [...peers.load, ...mode, topicsOf(one), ...numbers.map(String)];
    });
    return measure({ proxy, broker, commands });
  };
  return [{ case: name, name: proxy.name, run }];
}

/** What each process has in flight, and over how many connections of its own. */
export function sharesOf({
  inFlight,
  connections = Math.min(connectionCount, inFlight),
}: Pick<SendCase, 'inFlight' | 'connections'>): { inFlight: number; connections: number }[] {
  const count = Math.min(loadProcessCount, inFlight, connections);
  const share = (whole: number, index: number): number => Math.floor((whole + index) / count);
  return Array.from({ length: count }, (_, index) => ({
    inFlight: share(inFlight, index),
    connections: share(connections, index),
  }));
}

function topicsOf({ topics = 1 }: SendCase): string {
  return Array.from({ length: topics }, (_, index) => `bench_send_${index}`).join(',');
}

/** Some clients fail where many of their first sends to a new topic meet. */
async function makeTopics({ broker }: Bench, cases: readonly SendCase[]): Promise<void> {
  if (broker.isCanned) return;
  const names = new Set(cases.flatMap((one) => topicsOf(one).split(',')));
  for (const name of names) await fillTopic(broker.nameServer, name, 1, bodyBytes);
}
