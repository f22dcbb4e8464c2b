import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Log } from '../../src/log.ts';
import type { CommandContent } from '../../src/remoting/command.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, startTestEngine, temporaryFolder } from '../support/engine-client.ts';
import { RequestFuzzer, readGrammars } from '../support/request-fuzzer.ts';

/** CI asks more, each time something else; what fails there fails again with its seed. */
const isCi = process.env['CI'] === 'true';
const requestCount = isCi ? 100_000 : 15_000;
const seed = isCi ? Date.now() % 1_000_000 : 1;
const batchCount = 100;
const topics = ['fuzz', 'fuzz-ordered', '%RETRY%fuzz', '%RETRY%other', '%DLQ%fuzz', 'fuzz-new'];

const queue = (topic: string) => `{"topic":"${topic}","brokerName":"broker-a","queueId":0}`;
const subscription = (topic: string) =>
  `{"topic":"${topic}","subString":"*","subVersion":1,"expressionType":"TAG","classFilterMode":false,"tagsSet":["a"],"codeSet":[97]}`;
const consumer = (group: string) =>
  `{"groupName":"${group}","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[${subscription('fuzz')}],"unitMode":false}`;
const group = `{"groupName":"other","consumeEnable":true,"consumeFromMinEnable":true,"consumeBroadcastEnable":true,"consumeMessageOrderly":false,"retryQueueNums":1,"retryMaxTimes":16,"brokerId":0,"whichBrokerWhenConsumeSlowly":1,"notifyConsumerIdsChangedEnable":true,"attributes":{"+a":"b"}}`;
const topicConfig = (name: string) =>
  `{"topicName":"${name}","readQueueNums":4,"writeQueueNums":4,"perm":6,"topicFilterType":"SINGLE_TAG","topicSysFlag":0,"order":false,"attributes":{"+message.type":"NORMAL"}}`;

/** Bodies that make sense, of those requests that have one. */
const bodies = new Map<number, readonly string[]>([
  [
    RequestCode.HEART_BEAT,
    [
      `{"clientID":"fuzzer","producerDataSet":[{"groupName":"fuzz"}],"consumerDataSet":[${consumer('fuzz')},${consumer('third')}]}`,
    ],
  ],
  [
    RequestCode.CHECK_CLIENT_CONFIG,
    [`{"clientId":"fuzzer","group":"fuzz","subscriptionData":${subscription('fuzz')}}`],
  ],
  [
    RequestCode.LOCK_BATCH_MQ,
    [`{"consumerGroup":"fuzz","clientId":"fuzzer","mqSet":[${queue('fuzz')},${queue('fuzz-ordered')}]}`],
  ],
  [RequestCode.UNLOCK_BATCH_MQ, [`{"consumerGroup":"fuzz","clientId":"fuzzer","mqSet":[${queue('fuzz')}]}`]],
  [
    RequestCode.BATCH_ACK_MESSAGE,
    [
      `{"brokerName":"broker-a","acks":[{"c":"fuzz","t":"fuzz","r":"0","so":0,"q":0,"rq":0,"pt":1700000000000,"it":60000,"b":"/w=="}]}`,
    ],
  ],
  [
    RequestCode.QUERY_ASSIGNMENT,
    [`{"topic":"fuzz","consumerGroup":"fuzz","clientId":"fuzzer","strategyName":"AVG","messageModel":"CLUSTERING"}`],
  ],
  [RequestCode.SET_MESSAGE_REQUEST_MODE, [`{"topic":"fuzz","consumerGroup":"fuzz","mode":"POP","popShareQueueNum":1}`]],
  [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, [group]],
  [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, [`{"groupConfigList":[${group}]}`]],
  [RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, [`{"topicConfigList":[${topicConfig('fuzz-ordered')}]}`]],
]);

/** Requests that may wait for messages as long as they ask for. */
const polls: ReadonlySet<number> = new Set([
  RequestCode.PULL_MESSAGE,
  RequestCode.LITE_PULL_MESSAGE,
  RequestCode.POP_MESSAGE,
  RequestCode.NOTIFICATION,
]);

/** Keeps what should never be said. */
class MistakesLog implements Log {
  readonly mistakes: unknown[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(fields: object, message: string): void {
    this.mistakes.push([message, fields]);
  }
}

/** Asks what the fuzzer thinks of, and goes on whether answers come or not. */
class Nonsense {
  readonly #fuzzer: RequestFuzzer;
  readonly #address: string;
  readonly #waiting = new Set<CommandContent>();
  readonly #asked: Promise<void>[] = [];
  #client: EngineClient;

  constructor(fuzzer: RequestFuzzer, client: EngineClient) {
    this.#fuzzer = fuzzer;
    this.#client = client;
    this.#address = client.channel.address;
  }

  async ask(count: number): Promise<void> {
    if (!this.#client.channel.isOpen) this.#client = await connectEngine(this.#address);
    const some = Array.from({ length: count }, () => this.#askOne(this.#fuzzer.next(topics)));
    this.#asked.push(...some);
    await Promise.race([Promise.all(some), sleep(20)]);
  }

  /** Those that should have been answered by now. */
  get late(): readonly CommandContent[] {
    return [...this.#waiting].filter(({ code }) => !polls.has(code));
  }

  /** Rejects where one was neither answered nor its connection closed. */
  async answered(): Promise<void> {
    await Promise.all(this.#asked);
  }

  async #askOne(content: CommandContent): Promise<void> {
    this.#waiting.add(content);
    try {
      this.#fuzzer.learn(await this.#client.invoke(content, 600_000));
    } catch (error) {
      if (!(error instanceof RemotingError) || error.kind === 'timeout') throw error;
    } finally {
      this.#waiting.delete(content);
    }
  }
}

describe('an engine that is asked nonsense', () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): unknown => unhandled.push(error);
  beforeAll(() => void process.on('unhandledRejection', note));
  afterAll(() => void process.off('unhandledRejection', note));

  const title = `answers ${requestCount} requests of seed ${seed} or closes, makes no mistake, and serves others after it and after a start`;
  it(title, { timeout: 600_000 }, async () => {
    const log = new MistakesLog();
    const clock = new VirtualClock();
    const options = { log, clock, dataDirectory: temporaryFolder(), checkpointIntervalMs: 500 };
    const broker = await startTestEngine(options);
    const fuzzer = new RequestFuzzer(await readGrammars(bodies), seed);
    const nonsense = new Nonsense(fuzzer, await connectEngine(broker.brokerAddress));
    for (let count = 0; count < requestCount; count += batchCount) {
      await nonsense.ask(batchCount);
      await clock.advance(batchCount);
    }
    await vi.waitUntil(() => nonsense.late.length === 0, { timeout: 120_000 });
    await (await connectEngine(broker.brokerAddress)).send('well-behaved', 'still served');
    await broker.close();
    await nonsense.answered();
    const again = await connectEngine((await startTestEngine(options)).brokerAddress);
    expect((await again.pull('well-behaved')).bodies).toEqual(['still served']);
    expect(log.mistakes).toEqual([]);
    expect(unhandled).toEqual([]);
  });
});
