import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestBroker, type TestBroker } from '../../src/testing/test-broker.ts';
import { startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';
import { javaClientVersions, skipGo, skipJavaClients } from './official/build.ts';
import { type Mqadmin, openMqadmin, type RunOptions, runGo, runJava, type Verdict } from './official/official.ts';

/** A name server and broker that the official clients judge. */
interface Target {
  readonly name: string;
  start(): Promise<{ readonly nameServer: string; stop(): Promise<void> }>;
}

/** The scenarios count on these settings; each is the default of RocketMQ unless said otherwise. */
const realRocketMQ: Target = {
  name: 'Apache RocketMQ 5.5.0',
  start: () =>
    startRocketMQ({
      brokerConfig: {
        // Not the default: expressions other than tags.
        enablePropertyFilter: true,
        // Not the default: delayed messages can be taken back.
        recallMessageEnable: true,
        // Not the default: a topic for traces.
        traceTopicEnable: true,
        // Not the defaults: POP redeliveries come within a second of their time.
        popConsumerKVServiceInit: true,
        popConsumerKVServiceEnable: true,
        // Above the 3 s for which a broker keeps back that a transaction has ended: below, it asks and delivers twice.
        transactionCheckInterval: 5_000,
      },
    }),
};

const embeddedEngine: Target = {
  name: 'the embedded engine',
  start: async () => {
    const { nameServer, close } = await startTestBroker();
    return { nameServer, stop: close };
  },
};

/** The real one shows that the judge is just. */
const targets: readonly Target[] = [embeddedEngine, realRocketMQ];

/** How many scenarios each program has, so that none can be lost unseen. */
const scenarioCounts = { '4.9.8': 34, '5.5.0': 41, go: 16 } as const;

/** Programs that judge one name server, side by side: each waits most of its time. All start with the first that is asked for. */
class Judges {
  readonly #options: () => RunOptions;
  readonly #hasGo: boolean;
  #verdicts: Record<keyof typeof scenarioCounts, Promise<Verdict[]>> | undefined;

  /** @param options what all are told, once it is known. */
  constructor(options: () => RunOptions, hasGo: boolean) {
    this.#options = options;
    this.#hasGo = hasGo;
  }

  verdicts(program: keyof typeof scenarioCounts): Promise<Verdict[]> {
    this.#verdicts ??= this.#start();
    return this.#verdicts[program];
  }

  #start(): Record<keyof typeof scenarioCounts, Promise<Verdict[]>> {
    const options = this.#options();
    const verdicts = {
      '4.9.8': runJava({ ...options, version: '4.9.8', prefix: 'java4' }),
      '5.5.0': runJava({ ...options, version: '5.5.0', prefix: 'java5' }),
      go: this.#hasGo ? runGo({ ...options, prefix: 'go' }) : Promise.resolve([]),
    };
    // Each is waited for by a test of its own, maybe after it has failed.
    for (const one of Object.values(verdicts)) one.catch(() => {});
    return verdicts;
  }
}

function bad(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter((verdict) => !verdict.ok).map((verdict) => `${verdict.scenario}: ${verdict.detail}`);
}

/** What a table of mqadmin says: the words of each line that begins with this one. */
function rows(output: string, first: string): string[][] {
  const words = output.split('\n').map((line) => line.trim().split(/\s+/));
  return words.filter((line) => line[0] === first);
}

describe.skipIf(skipRocketMQ() || skipJavaClients())('official clients', () => {
  describe.each(targets)('on $name', (target) => {
    let nameServer = '';
    let stop = async (): Promise<void> => {};
    const isGoMissing = skipGo();
    const judges = new Judges(() => ({ nameServer }), !isGoMissing);

    beforeAll(async () => {
      const started = await target.start();
      nameServer = started.nameServer;
      stop = () => started.stop();
    });
    afterAll(() => stop());

    it.each(javaClientVersions)('Java %s does all that it can', { timeout: 240_000 }, async (version) => {
      const verdicts = await judges.verdicts(version);
      expect(bad(verdicts)).toEqual([]);
      expect(verdicts).toHaveLength(scenarioCounts[version]);
    });

    it.skipIf(isGoMissing)('Go does all that it can', { timeout: 240_000 }, async () => {
      const verdicts = await judges.verdicts('go');
      expect(bad(verdicts)).toEqual([]);
      expect(verdicts).toHaveLength(scenarioCounts.go);
    });

    describe('mqadmin', () => {
      judgeMqadmin(() => nameServer);
    });
  });
});

describe.skipIf(skipRocketMQ() || skipJavaClients())('official clients with access keys', () => {
  const credentials = { accessKey: 'judge', secretKey: 'a secret of the judge' };
  let engine: TestBroker;
  const judges = new Judges(() => ({ nameServer: engine.nameServer, credentials }), false);

  beforeAll(async () => {
    engine = await startTestBroker({ accessKeys: [credentials] });
  });
  afterAll(() => engine.close());

  it.each(javaClientVersions)(
    'Java %s does all that it can on the embedded engine',
    { timeout: 240_000 },
    async (version) => {
      const verdicts = await judges.verdicts(version);
      expect(bad(verdicts)).toEqual([]);
      // The one more is `acl`: wrong secrets, unknown keys and no signature are refused.
      expect(verdicts).toHaveLength(scenarioCounts[version] + 1);
    },
  );
});

function judgeMqadmin(nameServer: () => string): void {
  const topic = 'mqadmin-topic';
  const group = 'mqadmin-group';
  const producerGroup = 'mqadmin-producer';
  let mqadmin: Mqadmin;
  /** The line of `clusterList`: cluster, broker, id, address, version. */
  let cluster = '';
  let broker = '';
  let address = '';

  beforeAll(async () => {
    mqadmin = await openMqadmin({ nameServer: nameServer(), prefix: 'mqadmin' });
    const line = (await mqadmin.run('clusterList')).split('\n').find((text) => /^\S+\s+\S+\s+0\s/.test(text)) ?? '';
    [cluster = '', broker = '', , address = ''] = line.split(/\s+/);
  });
  afterAll(() => mqadmin.close());

  async function makeTopic(name: string): Promise<string> {
    return mqadmin.run('updateTopic', '-c', cluster, '-t', name, '-r', '4', '-w', '4');
  }

  it('lists clusters, topics and routes', async () => {
    expect(await mqadmin.run('clusterList')).toMatch(
      new RegExp(`^${cluster}\\s+${broker}\\s+0\\s+${address}\\s+V\\d`, 'm'),
    );
    expect(await makeTopic(`${topic}-listed`)).toContain(`create topic to ${address} success.`);
    expect(await mqadmin.run('topicList')).toMatch(new RegExp(`^${topic}-listed$`, 'm'));
    expect(await mqadmin.run('topicList', '-c')).toMatch(new RegExp(`^${cluster}\\s+${topic}-listed\\s*$`, 'm'));
    const route = await mqadmin.run('topicRoute', '-t', `${topic}-listed`);
    expect(route).toContain(`0:"${address}"`);
    expect(route).toMatch(/"perm":6,\s*"readQueueNums":4,\s*"topicSysFlag":0,\s*"writeQueueNums":4/);
    expect((await mqadmin.run('topicClusterList', '-t', `${topic}-listed`)).trim()).toBe(cluster);
  });

  it('tells the state of a broker', async () => {
    const status = await mqadmin.run('brokerStatus', '-b', address);
    expect(status).toMatch(/^brokerVersionDesc\s*: V\d/m);
    expect(status).toMatch(/^bootTimestamp\s*: \d{13}$/m);
    expect(status).toMatch(/^msgPutTotalTodayNow\s*: \d+$/m);
  });

  it('finds messages, producers and consumers', { timeout: 60_000 }, async () => {
    await makeTopic(topic);
    const sent = (await mqadmin.run('@send', topic, producerGroup, '12')).trim().split('\n');
    expect(sent).toHaveLength(12);
    const [messageId = '', offsetId = '', queueId = '', queueOffset = ''] = sent[7]?.split(' ') ?? [];
    const status = await mqadmin.run('topicStatus', '-t', topic);
    expect(rows(status, broker).map((row) => row.slice(1, 4))).toEqual(
      ['0', '1', '2', '3'].map((queue) => [queue, '0', '3']),
    );
    expect(await mqadmin.run('producerConnection', '-g', producerGroup, '-t', topic)).toMatch(
      /^0001\s+\S+.*JAVA\s+V5_5_0/m,
    );
    for (const found of [
      await mqadmin.run('queryMsgById', '-i', offsetId, '-t', topic),
      await mqadmin.run('queryMsgByUniqueKey', '-i', messageId, '-t', topic),
    ]) {
      expect(found).toMatch(new RegExp(`^Topic:\\s+${topic}$`, 'm'));
      expect(found).toMatch(/^Keys:\s+\[key7\]$/m);
      expect(found).toMatch(new RegExp(`^Queue ID:\\s+${queueId}$`, 'm'));
      expect(found).toMatch(new RegExp(`^Queue Offset:\\s+${queueOffset}$`, 'm'));
    }
    expect(rows(await mqadmin.run('queryMsgByKey', '-t', topic, '-k', 'key7'), messageId)[0]?.slice(1, 3)).toEqual([
      queueId,
      queueOffset,
    ]);
    expect(await mqadmin.run('@consume', topic, group, '12')).toBe('12');
    const progress = await mqadmin.run('consumerProgress', '-g', group);
    expect(rows(progress, topic).map((row) => row.slice(2, 6))).toEqual(
      ['0', '1', '2', '3'].map((queue) => [queue, '3', '3', '0']),
    );
    expect(progress).toMatch(/^Consume Diff Total: 0$/m);
    expect(rows(await mqadmin.run('consumerProgress'), group)[0]?.slice(1, 5)).toEqual([
      '1',
      'V5_5_0',
      'PUSH',
      'CLUSTERING',
    ]);
    const connection = await mqadmin.run('consumerConnection', '-g', group);
    expect(connection).toMatch(/^\S+@mqadmin-mqadmin-\d+\s.*JAVA\s+V5_5_0/m);
    expect(connection).toMatch(new RegExp(`^${topic}\\s+\\*`, 'm'));
    expect(connection).toContain('MessageModel: CLUSTERING');
    expect(await mqadmin.run('consumerStatus', '-g', group)).toContain('Rebalance OK');
    await mqadmin.run('@leave', group);
    expect(await mqadmin.run('consumerConnection', '-g', group)).toMatch(/CODE: 206\b/);
  });

  it('sets a group back and forth', { timeout: 60_000 }, async () => {
    const reset = `${topic}-reset`;
    await makeTopic(reset);
    await mqadmin.run('@send', reset, producerGroup, '8');
    await mqadmin.run('@consume', reset, `${group}-reset`, '8');
    await mqadmin.run('@leave', `${group}-reset`);
    expect(await mqadmin.run('consumerProgress', '-g', `${group}-reset`)).toMatch(/^Consume Diff Total: 0$/m);
    const back = await mqadmin.run('resetOffsetByTime', '-g', `${group}-reset`, '-t', reset, '-s', '0');
    expect(rows(back, broker)).toEqual(['0', '1', '2', '3'].map((queue) => [broker, queue, '0']));
    expect(await mqadmin.run('consumerProgress', '-g', `${group}-reset`)).toMatch(/^Consume Diff Total: 8$/m);
    const forth = await mqadmin.run('resetOffsetByTime', '-g', `${group}-reset`, '-t', reset, '-s', 'now');
    expect(rows(forth, broker)).toEqual(['0', '1', '2', '3'].map((queue) => [broker, queue, '2']));
    expect(await mqadmin.run('consumerProgress', '-g', `${group}-reset`)).toMatch(/^Consume Diff Total: 0$/m);
  });

  it('makes and deletes groups and topics', { timeout: 60_000 }, async () => {
    const made = await mqadmin.run('updateSubGroup', '-c', cluster, '-g', `${group}-made`, '-r', '5');
    expect(made).toContain(`create subscription group to ${address} success.`);
    const config = await mqadmin.run('getConsumerConfig', '-g', `${group}-made`);
    expect(config).toMatch(/^retryMaxTimes\s*=\s*5$/m);
    const gone = await mqadmin.run('deleteSubGroup', '-c', cluster, '-g', `${group}-made`);
    expect(gone).toContain(
      `delete subscription group [${group}-made] from broker [${address}] in cluster [${cluster}] success.`,
    );
    await makeTopic(`${topic}-deleted`);
    await mqadmin.run('@send', `${topic}-deleted`, producerGroup, '4');
    const deleted = await mqadmin.run('deleteTopic', '-c', cluster, '-t', `${topic}-deleted`);
    expect(deleted).toContain(`delete topic [${topic}-deleted] from cluster [${cluster}] success.`);
    expect(await mqadmin.run('topicStatus', '-t', `${topic}-deleted`)).toMatch(/CODE: 17\b/);
    expect(await mqadmin.run('topicList')).not.toContain(`${topic}-deleted`);
  });
}
