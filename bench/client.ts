/** What do this client, the official Java client and the official Go client do with one broker, and what does each cost? */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutDirectory } from '../test/rocketmq/java.ts';
import { compileGo, compileJava, skipGo, skipJavaClients } from '../test/rocketmq/official/build.ts';
import { startApache } from './brokers.ts';
import { columnsOf, interleave, measure } from './measure.ts';
import { headOf, tableOf } from './report.ts';
import { fillTopic } from './stored-messages.ts';

const bodyBytes = 256;
const roundCount = 3;
const warmMs = 2_000;
const measuredMs = 4_000;
const receiveCount = 100_000;

/**
 * A program with the arguments `send NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES` or `receive NAME_SERVER TOPIC GROUP COUNT`. It
 * prints a line when what is measured begins and one with the result, and lives until its input ends.
 */
interface Peer {
  readonly name: string;
  readonly command: readonly string[];
}

const home = await mkdtemp(join(tmpdir(), 'client-bench-'));
const broker = await startApache();
try {
  await compare(await findPeers());
} finally {
  await broker.stop();
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
}

async function findPeers(): Promise<Peer[]> {
  const sources = join(checkoutDirectory(), 'bench', 'peers');
  const own = (way: 'push' | 'pull' | 'pop'): Peer => ({
    name: way === 'push' ? 'this client' : `this client, stream by ${way}`,
    command: [process.execPath, 'build/bench/peers/own.js', way],
  });
  const peers = [own('push'), own('pull'), own('pop')];
  if (!skipJavaClients()) {
    const classPath = await compileJava('5.5.0', [join(sources, 'java')]);
    const options = ['-Xmx1g', `-Duser.home=${home}`];
    peers.push({ name: 'rocketmq-client 5.5.0 (Java)', command: ['java', ...options, '-cp', classPath, 'Peer'] });
  }
  if (!skipGo()) peers.push({ name: 'rocketmq-client-go 2.1.2', command: [await compileGo(join(sources, 'go'))] });
  return peers;
}

async function compare(peers: readonly Peer[]): Promise<void> {
  console.log(
    headOf(`Clients: ${bodyBytes} B bodies, one ${broker.name}, medians of ${roundCount} rounds (least–most)`),
  );
  const topic = 'bench_client';
  await fillTopic(broker.nameServer, topic, receiveCount, bodyBytes);
  await fillTopic(broker.nameServer, `${topic}_sends`, 1, bodyBytes);
  const contestants = cases(topic).flatMap(({ name, parametersOf }) =>
    peers
      // All of ours send in the same way.
      .filter((peer) => !(name.startsWith('send') && peer.name.includes('stream')))
      .map((peer) => ({
        case: name,
        name: peer.name,
        run: (round: number) =>
          measure(undefined, broker, [...peer.command, ...parametersOf(peer, round)], { ...process.env, HOME: home }),
      })),
  );
  const results = await interleave(roundCount, contestants);
  console.log(
    tableOf(
      results.map(({ case: name, name: client, rounds }) => ({ case: name, client, ...columnsOf(rounds, 'client') })),
    ),
  );
}

function cases(topic: string) {
  const send = (inFlight: number) => () =>
    ['send', broker.nameServer, `${topic}_sends`, inFlight, warmMs, measuredMs, bodyBytes].map(String);
  const receive = ({ name }: Peer, round: number) => {
    const group = `group_${round}_${name.replaceAll(/\W/g, '_')}`;
    return ['receive', broker.nameServer, topic, group, String(receiveCount)];
  };
  return [
    { name: 'send, 1 in flight', parametersOf: send(1) },
    { name: 'send, 64 in flight', parametersOf: send(64) },
    { name: 'send, 512 in flight', parametersOf: send(512) },
    { name: 'receive + ack of a backlog', parametersOf: receive },
  ] as const;
}
