/** What this client, the official Java client and the official Go client do with one broker, without a proxy. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, bodyBytes } from './bench.ts';
import type { Figures } from './figures.ts';
import { type Contestant, interleave, measure } from './measure.ts';
import { fillTopic } from './stored-messages.ts';

export const clientNames = {
  own: 'this client',
  pull: 'this client, stream by pull',
  pop: 'this client, stream by POP',
  java: 'rocketmq-client 5.5.0 (Java)',
  go: 'rocketmq-client-go 2.1.2',
} as const;

/**
 * Commands that `NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES` is put behind to send, and `NAME_SERVER TOPIC GROUP COUNT` to receive.
 */
interface Client {
  readonly name: string;
  readonly send?: readonly string[];
  readonly receive: readonly string[];
}

export async function compareClients(bench: Bench): Promise<Figures[]> {
  const { broker, effort } = bench;
  const home = await mkdtemp(join(tmpdir(), 'bench-clients-'));
  const env = { ...process.env, HOME: home };
  const topic = `bench_client_${randomBytes(4).toString('hex')}`;
  const backlogCount = effort.isQuick ? effort.backlogCount * 2 : effort.backlogCount * 3;
  try {
    await fillTopic(broker.nameServer, topic, backlogCount, bodyBytes);
    await fillTopic(broker.nameServer, `${topic}_sends`, 1, bodyBytes);
    const run = (command: readonly string[]) => measure({ broker, commands: [command], env });
    const contestants: Contestant[] = [];
    for (const inFlight of effort.isQuick ? [512] : [1, 64, 512]) {
      const parameters = [`${topic}_sends`, inFlight, effort.warmMs, effort.measuredMs, bodyBytes].map(String);
      for (const { name, send } of clientsOf(bench, home)) {
        if (send === undefined) continue;
        const command = [...send, broker.nameServer, ...parameters];
        contestants.push({ case: `send, ${inFlight} in flight`, name, run: () => run(command) });
      }
    }
    for (const { name, receive } of clientsOf(bench, home)) {
      if (effort.isQuick && (name === clientNames.pull || name === clientNames.pop)) continue;
      const runOnce = () => {
        const group = `group_${randomBytes(4).toString('hex')}`;
        return run([...receive, broker.nameServer, topic, group, String(backlogCount)]);
      };
      contestants.push({ case: 'receive + ack', name, run: runOnce });
    }
    return await interleave(effort.roundCount, contestants);
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

function clientsOf({ peers: { go, java } }: Bench, home: string): Client[] {
  const own = (way: string, mode: string): string[] => [process.execPath, 'build/bench/peers/own.js', way, mode];
  const ofJava = (classPath: string, mode: string): string[] => {
    const options = ['-Xmx1g', `-Duser.home=${home}`, '-cp', classPath];
    return ['java', ...options, 'Peer', mode];
  };
  return [
    { name: clientNames.own, send: own('push', 'send'), receive: own('push', 'receive') },
    { name: clientNames.pull, receive: own('pull', 'receive') },
    { name: clientNames.pop, receive: own('pop', 'receive') },
    ...(java === undefined
      ? []
      : [{ name: clientNames.java, send: ofJava(java, 'send'), receive: ofJava(java, 'receive') }]),
    ...(go === undefined ? [] : [{ name: clientNames.go, send: [go, 'client-send'], receive: [go, 'client-receive'] }]),
  ];
}
