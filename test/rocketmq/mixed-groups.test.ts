import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RocketMQClient } from '../../src/client/api/rocketmq-client.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';
import { skipGo, skipJavaClients } from './official/build.ts';
import { describeShares, GroupWatch, queueName } from './official/group-watch.ts';
import {
  type Handled,
  type Joining,
  type OfficialMembers,
  openGoMembers,
  openJavaMembers,
} from './official/members.ts';
import { type Change, type Findings, judge, type Place } from './official/mixed-judge.ts';
import { freePort } from './ports.ts';

/**
 * Each with the Java client of its line. With two brokers, official clients ask any of them who is in a group, and they do not agree for a
 * while.
 */
const versions = [
  { version: '5.5.0', javaVersion: '5.5.0', brokerNames: ['broker-a'], hasPop: true },
  { version: '4.9.7', javaVersion: '4.9.8', brokerNames: ['broker-a', 'broker-b'], hasPop: false },
] as const;

const queueCount = 8;
const sendIntervalMs = 10;
/** As long as the official members work on each. */
const workMs = 5;
/** Messages of each queue that come between two changes of the members. */
const steadyCount = 5;
/** Longest wait for anything that takes a moment only on a quiet machine. */
const patienceMs = 45_000;

/** Of one test; all groups play side by side. */
const timeout = 240_000;

const SET_MESSAGE_REQUEST_MODE = 401;

type Who = 'ours' | 'java' | 'go';

/** Who joins (+) or leaves (-), all at once, and how many members there are then. */
type Step = readonly [count: number, ...changes: readonly `${'+' | '-'}${Who}`[]];

const concurrentSteps: readonly Step[] = [
  [3, '+ours', '+java', '+go'],
  [2, '-ours'],
  [3, '+ours'],
  [2, '-java'],
  [1, '-go'],
];

/**
 * Who follows the Go client in a queue waits until its lock ends, for 60 s, unless it has left: it does not unlock what it gives
 * (`removeUnnecessaryMessageQueue`). So nobody joins while it is there.
 */
const orderlySteps: readonly Step[] = [
  [2, '+ours', '+java'],
  [1, '-ours'],
  [2, '+ours'],
  [3, '+go'],
  [2, '-go'],
  [1, '-java'],
];

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
    await sleep(50);
  }
}

/** What all groups of a cluster have in common. */
interface Parts {
  readonly brokers: readonly RocketMQCluster[];
  readonly client: RocketMQClient;
  readonly java: OfficialMembers;
  readonly go: OfficialMembers;
  /** Where what an official member has handled is put down. */
  readonly byMember: Map<string, Handled[]>;
}

/** One topic, the messages that flow into it, and the group that reads them. */
class MixedGroup {
  readonly sent = new Map<string, Place>();
  readonly handled: Handled[] = [];
  readonly watch: GroupWatch;
  readonly #parts: Parts;
  /** Of each broker. */
  readonly #queueCount: number;
  readonly #joining: Joining;
  readonly #stopping = new AbortController();
  #ours: { close(): Promise<void> } | undefined;
  #traffic = Promise.resolve();

  constructor(parts: Parts, way: Joining['way']) {
    const { brokers, byMember } = parts;
    const joining = { topic: `mixed-${way}`, group: `mixed-${way}-group`, way };
    this.#parts = parts;
    this.#joining = joining;
    this.#queueCount = queueCount / brokers.length;
    this.watch = new GroupWatch({ brokers, queueCount: this.#queueCount, ...joining });
    byMember.set(this.name('java'), this.handled).set(this.name('go'), this.handled);
  }

  get joining(): Joining {
    return this.#joining;
  }

  /** The name of a member. */
  name(who: Who): string {
    return `${who}-${this.#joining.way}`;
  }

  /** Clients on official ones carry their instance name. */
  memberOf(clientId: string): string {
    const official = (['java', 'go'] as const).find((who) => clientId.endsWith(`@${this.name(who)}`));
    return this.name(official ?? 'ours');
  }

  handledCount(who: Who): number {
    return this.handled.filter(({ member }) => member === this.name(who)).length;
  }

  /** Makes the topic, and sends until `drained`. */
  async begin(): Promise<void> {
    const { topic } = this.#joining;
    const shape = { queueCount: this.#queueCount };
    await Promise.all(this.#parts.brokers.map((broker) => broker.createTopic(topic, shape)));
    await this.watch.routed();
    this.#traffic = this.#send();
    // Who waits for the end of it may have failed before.
    this.#traffic.catch(() => {});
  }

  /** Stops sending, and resolves when all that was sent has been handled. */
  async drained(): Promise<void> {
    this.#stopping.abort();
    await this.#traffic;
    const waiting = new Set(this.sent.keys());
    let next = 0;
    await until(`all messages of ${this.#joining.topic} to be handled`, () => {
      for (; next < this.handled.length; next += 1) waiting.delete(this.handled[next]?.body ?? '');
      return waiting.size === 0;
    });
  }

  async change(change: `${'+' | '-'}${Who}`): Promise<void> {
    const who = change.slice(1);
    const isJoin = change.startsWith('+');
    if (who === 'ours') return isJoin ? this.#joinOurs() : this.#ours?.close();
    const program = who === 'java' ? this.#parts.java : this.#parts.go;
    const member = this.name(who === 'java' ? 'java' : 'go');
    await (isJoin ? program.join(member, this.#joining) : program.leave(member));
  }

  async #send(): Promise<void> {
    const { topic, way } = this.#joining;
    const producer = this.#parts.client.producer();
    while (!this.#stopping.signal.aborted) {
      const body = `${way} ${this.sent.size}`;
      const { queue, queueOffset } = await producer.send({ topic, body }, { timeoutMs: patienceMs });
      this.sent.set(body, { queue: queueName(queue), queueOffset: Number(queueOffset) });
      await sleep(sendIntervalMs);
    }
    await producer.close();
  }

  async #joinOurs(): Promise<void> {
    const { topic, group, way } = this.#joining;
    const consumer = this.#parts.client.pushConsumer({
      group,
      consumeFrom: 'first',
      consumeMode: way === 'pop' ? 'pop' : 'pull',
      ordered: way === 'orderly',
      handler: async (message) => {
        const beginMs = Date.now();
        await sleep(workMs);
        this.handled.push({ member: this.name('ours'), body: message.text(), beginMs, endMs: Date.now() });
      },
    });
    this.#ours = consumer;
    await consumer.subscribe(topic);
  }
}

/** Lets messages flow while members change; ours is the last to leave. */
async function play(group: MixedGroup, steps: readonly Step[]): Promise<Findings> {
  const changes: Change[] = [];
  await group.begin();
  for (const step of steps) changes.push(await changeMembers(group, step));
  await group.drained();
  await group.change('-ours');
  return judge({ sent: group.sent, handled: group.handled, changes });
}

/** One step, and the steady time behind it. */
async function changeMembers(group: MixedGroup, [memberCount, ...changes]: Step): Promise<Change> {
  const { watch } = group;
  const committed = await watch.committed();
  await Promise.all(changes.map((change) => group.change(change)));
  const shares = await watch.shared(memberCount);
  const settled = await watch.ends();
  const owners = new Map<string, string>();
  for (const [clientId, queues] of shares) for (const queue of queues) owners.set(queue, group.memberOf(clientId));
  await until(`messages of ${group.joining.topic} after ${changes} (${describeShares(shares)})`, async () => {
    const now = await watch.committed();
    return [...now].every(([queue, offset]) => offset >= (settled.get(queue) ?? 0) + steadyCount);
  });
  return { committed, settled, owners };
}

/**
 * Ours comes, leaves and comes again beside a Java client, which stays: it does not wait for its last acks. Java's requests wait at the broker
 * with a hand open, ours only to be told, so that ours gets few messages unless there are many.
 */
async function playPop(parts: Parts, group: MixedGroup): Promise<Findings> {
  await group.begin();
  await setPopMode(parts, group.joining);
  const atWork = async (who: Who): Promise<void> => {
    const count = group.handledCount(who);
    await until(`messages for ${group.name(who)}`, () => group.handledCount(who) > count);
  };
  await Promise.all([group.change('+java'), group.change('+ours')]);
  await Promise.all([atWork('java'), atWork('ours')]);
  await group.change('-ours');
  await atWork('java');
  await group.change('+ours');
  await atWork('ours');
  await group.drained();
  await until('the acks of all messages by POP', async () => (await group.watch.left()) === 0);
  return judge({ sent: group.sent, handled: group.handled, changes: [] });
}

/** What of the findings belongs to the report. */
function report(
  name: string,
  group: MixedGroup,
  { steadyCount: steady, movedCount, repeatedCount, overlaps }: Findings,
) {
  const shares = (['ours', 'java', 'go'] as const).map((who) => `${who} ${group.handledCount(who)}`);
  process.stdout.write(
    `${name}: ${group.sent.size} messages, handled: ${shares.join(', ')}; ${repeatedCount} more than once, of ${movedCount} that were under ` +
      `way at a change of members and ${steady} others; ${overlaps.length} times two members at once in a queue
`,
  );
}

async function startBrokers(
  version: RocketMQCluster['version'],
  brokerNames: readonly string[],
): Promise<readonly RocketMQCluster[]> {
  const nameServerPort = await freePort();
  const joins = { nameServer: `127.0.0.1:${nameServerPort}` };
  const started = await Promise.allSettled(
    brokerNames.map((brokerName, index) =>
      startRocketMQ({ version, brokerConfig: { brokerName }, ...(index === 0 ? { nameServerPort } : { joins }) }),
    ),
  );
  const brokers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = started.find((result) => result.status === 'rejected');
  if (failure === undefined) return brokers;
  await Promise.all(brokers.map((broker) => broker.stop()));
  throw failure.reason;
}

/** Java's clients that leave the sharing to the broker get the messages of this group by POP from now on. */
async function setPopMode({ brokers }: Parts, { topic, group: consumerGroup }: Joining): Promise<void> {
  const mode = { topic, consumerGroup, mode: 'POP', popShareQueueNum: queueCount };
  for (const broker of brokers) {
    const { code, remark } = await broker.brokerCall(SET_MESSAGE_REQUEST_MODE, {}, Buffer.from(JSON.stringify(mode)));
    if (code !== 0) throw new Error(`the broker refused the mode POP: ${code} ${remark}`);
  }
}

/** All side by side, since each mostly waits. */
function startPlays(parts: Parts, hasPop: boolean) {
  const [concurrently, orderly] = [new MixedGroup(parts, 'concurrently'), new MixedGroup(parts, 'orderly')];
  const pop = new MixedGroup(parts, 'pop');
  const found = {
    concurrently: play(concurrently, concurrentSteps),
    orderly: play(orderly, orderlySteps),
    pop: hasPop ? playPop(parts, pop) : Promise.resolve(undefined),
  };
  // Each is waited for by a test of its own, maybe after it has failed.
  for (const one of Object.values(found)) one.catch(() => {});
  return { concurrently, orderly, pop, found };
}

describe.skipIf(skipRocketMQ() || skipJavaClients() || skipGo()).each(versions)(
  'groups of members on ours, Java $javaVersion and Go, on RocketMQ $version',
  ({ version, javaVersion, brokerNames, hasPop }) => {
    let brokers: readonly RocketMQCluster[] = [];
    let parts: Parts | undefined;
    let plays: ReturnType<typeof startPlays>;

    beforeAll(async () => {
      brokers = await startBrokers(version, brokerNames);
      const nameServer = brokers[0]?.nameServer ?? '';
      const byMember = new Map<string, Handled[]>();
      const onHandled = (handled: Handled): void => void byMember.get(handled.member)?.push(handled);
      const [java, go] = await Promise.all([
        openJavaMembers({ version: javaVersion, nameServer, onHandled }),
        openGoMembers({ nameServer, onHandled }),
      ]);
      // What is sent again for want of an answer may be stored twice: nobody could tell that from double work.
      const client = new RocketMQClient({ nameServers: nameServer, requestTimeoutMs: patienceMs, sendAttemptsMax: 1 });
      parts = { brokers, client, java, go, byMember };
      plays = startPlays(parts, hasPop);
    });

    afterAll(async () => {
      await parts?.client.close();
      await Promise.all([parts?.java.close(), parts?.go.close()]);
      await Promise.all(brokers.map((broker) => broker.stop()));
    });

    it('share the queues evenly and work on each message once, but for what is under way when members change', {
      timeout,
    }, async () => {
      const { concurrently, found } = plays;
      const findings = await found.concurrently;
      report(`${version} concurrently`, concurrently, findings);
      expect(findings).toMatchObject({ lost: [], unknown: [], strayed: [] });
      expect(await concurrently.watch.left()).toBe(0);
    });

    it('never work on a queue in disorder, nor while ours still works on it', { timeout }, async () => {
      const { orderly, found } = plays;
      const findings = await found.orderly;
      report(`${version} orderly`, orderly, findings);
      expect(findings).toMatchObject({ lost: [], unknown: [], strayed: [], overtaken: [] });
      // Official clients unlock their queues before their last messages are done when they shut down.
      expect(findings.overlaps.filter(({ first }) => first === orderly.name('ours'))).toEqual([]);
      expect(await orderly.watch.left()).toBe(0);
    });

    it.runIf(hasPop)('share messages by POP, each for one of them, once', { timeout }, async () => {
      const { pop, found } = plays;
      const findings = await found.pop;
      expect(findings).toBeDefined();
      if (findings !== undefined) report(`${version} POP`, pop, findings);
      expect(findings).toMatchObject({ lost: [], unknown: [], repeatedCount: 0 });
    });
  },
);
