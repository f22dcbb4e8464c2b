/** What proxies do when messages are received by them. */
import { randomBytes } from 'node:crypto';
import { type Bench, bodyBytes, connectionCount } from './bench.ts';
import type { Figures, Round } from './figures.ts';
import { interleave, measure, measureStreams } from './measure.ts';
import { type ProxyKind, type ProxyProcess, proxyNames, withProxies, withProxy } from './proxies.ts';
import { fillTopic } from './stored-messages.ts';

/** Streams that are opened beside half as many that wait already: so many that what opening leaves to be collected counts for little. */
export const idleStreamCount = 3_000;
/** A broker holds about a thousand waiting requests of one group and lets the others come again and again. */
export const idleGroupCount = 8;
/** The Go proxy has a client with all its goroutines and timers for each group: so many are too many for one machine. */
const manyGroupCount = 1_000;
const groupCounts = [1, 100, manyGroupCount];
/** Few enough streams for each that no proxy's limit is met. */
export const idleConnectionCount = 32;
export const livePerSecond = 200;
/** So few messages a second warm a process up slowly. */
const liveWarmMs = 4_000;
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
      return measure({ proxy, broker, commands: [[...peers.load, mode, proxy.address, ...parameters]] });
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
      run: async (round: number) => {
        const topic = newName();
        await fillTopic(broker.nameServer, topic, 1, bodyBytes);
        const warmMs = round === 0 ? liveWarmMs : effort.warmMs;
        const rates = [livePerSecond, warmMs, effort.measuredMs].map(String);
        return measure({
          proxy,
          broker,
          commands: [[...peers.load, 'live', proxy.address, topic, newName(), ...rates]],
        });
      },
    }));
    return interleave(effort.roundCount, contestants);
  });
}

/** As many deliveries, to more and more groups that each get every message. */
export async function compareGroups(bench: Bench): Promise<Figures[]> {
  const { broker, peers, effort } = bench;
  const figures: Figures[] = [];
  for (const groups of groupCounts) {
    const perGroup = Math.floor(effort.backlogCount / groups);
    const kinds: readonly ProxyKind[] = groups === manyGroupCount ? ['pull', 'pop'] : ['pull', 'pop', 'go'];
    const contestants = kinds.map((kind) => ({
      case: `${groups} groups`,
      name: proxyNames[kind],
      run: (): Promise<Round> =>
        withProxy(bench, kind, async (proxy) => {
          const topic = newName();
          await fillTopic(broker.nameServer, topic, 1, bodyBytes);
          const parameters = [groups, perGroup, Math.min(groups, idleConnectionCount)].map(String);
          return measure({
            proxy,
            broker,
            commands: [[...peers.load, 'groups', proxy.address, topic, newName(), ...parameters]],
            onJoined: () => fillTopic(broker.nameServer, topic, perGroup, bodyBytes),
          });
        }),
    }));
    figures.push(...(await interleave(1, contestants)));
  }
  return figures;
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
    { name: `${manyGroupCount} groups`, groups: manyGroupCount, kinds: ownKinds },
  ];
  const figures: Figures[] = [];
  for (const { name, groups, kinds } of effort.isQuick ? cases.slice(0, 1) : cases) {
    const contestants = kinds.map((kind) => ({
      case: name,
      name: proxyNames[kind],
      run: (): Promise<Round> =>
        withProxy(bench, kind, (proxy) => {
          const parameters = [topic, newName(), String(idleStreamCount), String(idleConnectionCount), String(groups)];
          return measureStreams(proxy, [...peers.load, 'idle', proxy.address, ...parameters]);
        }),
    }));
    figures.push(...(await interleave(1, contestants)));
  }
  return figures;
}
