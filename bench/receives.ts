/** What proxies do when messages are received by them. */
import { randomBytes } from 'node:crypto';
import { type Bench, bodyBytes, connectionCount } from './bench.ts';
import type { Figures } from './figures.ts';
import { interleave, measure, measureStreams } from './measure.ts';
import { type ProxyKind, type ProxyProcess, proxyNames, withProxies } from './proxies.ts';
import { fillTopic } from './stored-messages.ts';

/** Streams that are opened beside half as many that wait already: so many that what opening leaves to be collected counts for little. */
export const idleStreamCount = 3_000;
/** A broker holds about a thousand waiting requests of one group and lets the others come again and again. */
export const idleGroupCount = 8;
const manyGroupCount = 1_000;
/** Few enough streams for each that no proxy's limit is met. */
export const idleConnectionCount = 32;
export const livePerSecond = 200;
/** Apache's proxy gets through a part of a backlog in the time that others need for all of it. */
const apacheShare = 2;

const newName = (): string => `bench_${randomBytes(4).toString('hex')}`;

/** A backlog, received by so many streams and acknowledged one by one. */
export async function compareReceives(bench: Bench): Promise<Figures[]> {
  const { broker, peers, effort } = bench;
  const topic = newName();
  await fillTopic(broker.nameServer, topic, effort.backlogCount, bodyBytes);
  return withProxies(bench, ['pull', 'pop', 'go', 'apache'], (proxies) => {
    const run = (proxy: ProxyProcess) => () => {
      const isApache = proxy.name === proxyNames.apache;
      const mode = isApache ? 'apache-receive' : 'receive';
      const count = isApache ? Math.floor(effort.backlogCount / apacheShare) : effort.backlogCount;
      const parameters = [topic, newName(), String(count), String(connectionCount)];
      return measure({ proxy, broker, command: [...peers.load, mode, proxy.address, ...parameters] });
    };
    const contestants = proxies.map((proxy) => ({ case: 'backlog', name: proxy.name, run: run(proxy) }));
    return interleave(effort.roundCount, contestants);
  });
}

/** The time from a send to the arrival at a steady rate. */
export async function compareLive(bench: Bench): Promise<Figures[]> {
  const { broker, peers, effort } = bench;
  return withProxies(bench, ['pull', 'pop', 'go'], (proxies) => {
    const contestants = proxies.map((proxy) => ({
      case: `${livePerSecond} messages/s`,
      name: proxy.name,
      run: async () => {
        const topic = newName();
        await fillTopic(broker.nameServer, topic, 1, bodyBytes);
        const rates = [livePerSecond, effort.warmMs, effort.measuredMs].map(String);
        return measure({ proxy, broker, command: [...peers.load, 'live', proxy.address, topic, newName(), ...rates] });
      },
    }));
    return interleave(effort.roundCount, contestants);
  });
}

/** What a stream costs that waits: memory, and CPU time per stream and second. */
export async function measureIdle(bench: Bench): Promise<Figures[]> {
  const { broker, peers, effort } = bench;
  const topic = newName();
  await fillTopic(broker.nameServer, topic, 1, bodyBytes);
  const ownKinds: readonly ProxyKind[] = ['pull', 'pop'];
  const cases: readonly { name: string; groups: number; kinds: readonly ProxyKind[] }[] = [
    {
      name: `${idleGroupCount} groups`,
      groups: idleGroupCount,
      kinds: effort.isQuick ? ownKinds : [...ownKinds, 'go'],
    },
    // A client of the Go proxy is a group with all its threads and timers: a thousand are too many for one machine.
    { name: `${manyGroupCount} groups`, groups: manyGroupCount, kinds: ownKinds },
  ];
  const figures: Figures[] = [];
  for (const { name, groups, kinds } of effort.isQuick ? cases.slice(0, 1) : cases) {
    const contestants = kinds.map((kind) => ({
      case: name,
      name: proxyNames[kind],
      run: () =>
        withProxies(bench, [kind], async ([proxy]) => {
          if (proxy === undefined) return {};
          const parameters = [topic, newName(), String(idleStreamCount), String(idleConnectionCount), String(groups)];
          return measureStreams(proxy, [...peers.load, 'idle', proxy.address, ...parameters]);
        }),
    }));
    figures.push(...(await interleave(1, contestants)));
  }
  return figures;
}
