import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, onTestFinished } from 'vitest';
import { type RocketMQCluster, type RocketMQOptions, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { Changes } from '../support/changes.ts';
import { History } from '../support/history.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { type ReceivingProcess, startReceivingProgram } from '../support/receiving-process.ts';
import { Row } from './figures.ts';

const topic = 'ordered';
const queueCount = 4;
const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
const countPerKey = 30;
const messageCount = keys.length * countPerKey;
/** How long everything may take, in ms: a crashed reader's queues are nobody's for up to 32 s. */
const runTimeoutMs = 120_000;

interface Way {
  /** Of the row. */
  readonly name: string;
  readonly options: RocketMQOptions;
}

const ways: readonly Way[] = [
  { name: 'POP', options: { version: '5.5.0' } },
  {
    name: 'pull',
    options: {
      version: '4.9.7',
      // How long the locks of a reader outlive it (default 60 s): longer than the client believes in a lock that nobody confirms.
      javaOptions: ['-XX:TieredStopAtLevel=1', '-Drocketmq.broker.rebalance.lockMaxLiveTime=32000'],
    },
  },
];

describe.skipIf(skipRocketMQ())('order by sharding key, with crashes and nacks', () => {
  for (const { name, options } of ways) {
    it(`R-16 ${name}: ${options.version}`, async () => {
      const cluster = await startRocketMQ(options);
      onTestFinished(() => cluster.stop());
      await cluster.createTopic(topic, { queueCount });
      const readers = new Readers(cluster);
      onTestFinished(() => readers.stop());
      const [first, second] = [readers.start(), readers.start(), readers.start()];
      const history = new History();
      const sent = sendByKeys(cluster, history);
      await readers.done(60);
      await readers.crash(first);
      await readers.crash(second);
      readers.start();
      readers.start();
      await sent;
      await readers.done(messageCount);
      judge(new Row(`R-16 ${name}`), history, readers);
    }, 240_000);
  }
});

/** Sends the messages of each key one after the other, each when the one before was answered. */
async function sendByKeys(cluster: RocketMQCluster, history: History): Promise<void> {
  const clients = new RealClients(cluster.nameServer);
  onTestFinished(() => clients.close());
  const { producer } = clients.create();
  const sendKey = async (shardingKey: string): Promise<void> => {
    for (let sequence = 0; sequence < countPerKey; sequence += 1) {
      const id = `${shardingKey} ${sequence}`;
      const startMs = performance.now();
      await producer.send(outgoing(topic, id, { shardingKey }), soon());
      history.add({ op: 'send', id, startMs, endMs: performance.now(), outcome: 'stored' });
      // For about as long as there are crashes.
      await sleep(300);
    }
  };
  await Promise.all(keys.map(sendKey));
}

/** One line of `ordered-program.mjs`. */
interface Line {
  readonly op: 'begin' | 'nack' | 'done';
  readonly id: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly attempt: string;
  readonly atMs: number;
}

/** Members of one group, each a process. */
class Readers {
  readonly #cluster: RocketMQCluster;
  readonly #processes: ReceivingProcess[] = [];
  readonly #changes = new Changes();
  readonly #lines: Line[] = [];
  readonly #done = new Set<string>();
  /** Messages that a process had begun with, and was not done with, when it was killed. */
  inHandCount = 0;

  constructor(cluster: RocketMQCluster) {
    this.#cluster = cluster;
  }

  /** What all of them did, in the order in which it happened. */
  get lines(): readonly Line[] {
    return this.#lines.toSorted((one, other) => one.atMs - other.atMs);
  }

  start(): ReceivingProcess {
    const parameters = [this.#cluster.nameServer, topic, 'g-ordered'];
    const reader = startReceivingProgram('ordered-program.mjs', parameters, (line) => this.#take(line));
    this.#processes.push(reader);
    return reader;
  }

  /** Kills it while it has a message in hand. */
  async crash(reader: ReceivingProcess): Promise<void> {
    const before = reader.lines.length;
    const begins = (): true | undefined => reader.lines.slice(before).some(isBegin) || undefined;
    await this.#changes.until(begins, runTimeoutMs, () => 'the reader to be killed gets nothing');
    await reader.stop();
    const lines = reader.lines.flatMap(parsed);
    const lastOf = new Map(lines.map(({ id, op }) => [id, op]));
    this.inHandCount += [...lastOf.values()].filter((op) => op === 'begin').length;
  }

  /** Waits until they are done with so many messages. */
  async done(count: number): Promise<void> {
    const enough = (): true | undefined => this.#done.size >= count || undefined;
    await this.#changes.until(enough, runTimeoutMs, () => `${this.#done.size} of ${count} messages are done`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((reader) => reader.stop()));
  }

  #take(text: string): void {
    for (const line of parsed(text)) {
      this.#lines.push(line);
      if (line.op === 'done') this.#done.add(line.id);
    }
    this.#changes.notify();
  }
}

function isBegin(text: string): boolean {
  return text.startsWith('{"op":"begin"');
}

/** None for the line that says that the topic is subscribed to. */
function parsed(text: string): Line[] {
  const line: Line | { readonly op: 'subscribed' } = JSON.parse(text);
  return line.op === 'subscribed' ? [] : [line];
}

function judge(row: Row, history: History, readers: Readers): void {
  const { lines } = readers;
  const done = new Set<string>();
  let overtakingCount = 0;
  let nackCount = 0;
  let longestPauseMs = 0;
  let lastMs = lines[0]?.atMs ?? 0;
  for (const { op, id, queueId, queueOffset, attempt, atMs } of lines) {
    longestPauseMs = Math.max(longestPauseMs, atMs - lastMs);
    lastMs = atMs;
    if (op === 'nack') nackCount += 1;
    if (op === 'done') done.add(id);
    if (op !== 'begin') continue;
    const [key = '', number = ''] = id.split(' ');
    const sequence = Number(number);
    const before = Array.from({ length: sequence }, (_, index) => `${key} ${index}`);
    if (!before.every((one) => done.has(one))) overtakingCount += 1;
    history.add({ op: 'delivery', id, key, sequence, queue: `${topic}/${queueId}`, queueOffset, attempt, atMs });
  }
  const verdict = row.judged(history);
  row
    .tell('deliveries', lines.filter(({ op }) => op === 'begin').length)
    .atLeast('nacks', nackCount, 10)
    .atLeast('in hand when a process was killed', readers.inHandCount, 1)
    .tell('longest time without any delivery', longestPauseMs, 'ms')
    .exactly('first deliveries out of order', verdict.disorder.length, 0)
    .exactly('deliveries before an earlier one was done', overtakingCount, 0)
    .judge();
}
