import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Engine } from '../../src/broker/engine.ts';
import { createFilter } from '../../src/broker/filters/message-filter.ts';
import { type BrokerOptions, brokerDefaults } from '../../src/broker/options.ts';
import { type PopQuery, type Taken, takeMessages } from '../../src/broker/pop/take-messages.ts';
import { type RunningEngine, startEngine } from '../../src/broker/start-engine.ts';
import { newTopic } from '../../src/broker/topics.ts';
import { decodeStoredMessages } from '../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** A message as a POP of a test brings it. */
export interface PoppedMessage {
  readonly queueId: number;
  readonly offset: number;
  readonly body: string;
  readonly reconsumeTimes: number;
  readonly popTimeMs: number;
}

export const popGroup = 'GID_pop';
export const popTopic = 'pops';
/** What POPs of tests ask for, unless they say otherwise. */
export const invisibleDurationMs = 30_000;

/** The engine without its ports, on a clock that tests move on, with all that acks and POPs do below the wire. */
export class PopEngine {
  readonly clock: VirtualClock;
  #options: BrokerOptions;
  #running: RunningEngine;

  private constructor(options: BrokerOptions, clock: VirtualClock, running: RunningEngine) {
    this.#options = options;
    this.clock = clock;
    this.#running = running;
  }

  /** @param queueCount Of the topic. */
  static async start(queueCount = 1, changes: Partial<BrokerOptions> = {}): Promise<PopEngine> {
    const clock = new VirtualClock(1_700_000_000_000);
    const options = { ...brokerDefaults, clock, ...changes };
    const pops = new PopEngine(options, clock, await run(options));
    await pops.engine.topics.put(newTopic(popTopic, queueCount), pops.engine.state);
    return pops;
  }

  /** As `start`, with a folder of its own, so that it can be started again. */
  static startDurable(queueCount = 1, changes: Partial<BrokerOptions> = {}): Promise<PopEngine> {
    return PopEngine.start(queueCount, { ...changes, dataDirectory: newDirectory() });
  }

  get engine(): Engine {
    return this.#running.engine;
  }

  async restart(): Promise<void> {
    await this.#running.close();
    this.#running = await run(this.#options);
  }

  /** Goes on with what the files have now, as if the process had ended in the middle. */
  async crash(): Promise<void> {
    const { dataDirectory: left = '' } = this.#options;
    const dataDirectory = newDirectory();
    cpSync(left, dataDirectory, { recursive: true, filter: (path) => basename(path) !== 'lock' });
    await this.close();
    this.#options = { ...this.#options, dataDirectory };
    this.#running = await run(this.#options);
  }

  async close(): Promise<void> {
    await this.#running.close();
    const { dataDirectory } = this.#options;
    if (dataDirectory !== undefined) rmSync(dataDirectory, { recursive: true });
  }

  /** Stores one message for each body. */
  async send(bodies: readonly string[], { queueId = 0, tag = '', topic = popTopic } = {}): Promise<void> {
    const properties = new Map(tag === '' ? [] : [['TAGS', tag]]);
    await this.engine.store.append(
      bodies.map((body) => ({
        topic,
        queueId,
        flag: 0,
        sysFlag: 0,
        bornTimestampMs: this.clock.now(),
        bornHost: '127.0.0.1:50000',
        reconsumeTimes: 0,
        replaces: 0,
        body: Buffer.from(body),
        properties,
      })),
    );
  }

  take(changes: Partial<PopQuery> = {}): Taken {
    this.engine.pops.makeVisible();
    return takeMessages(
      {
        group: popGroup,
        topic: popTopic,
        queueId: -1,
        order: false,
        attemptId: '',
        startsAtEnd: false,
        filter: createFilter('TAG', '*'),
        countMax: 32,
        invisibleDurationMs,
        ...changes,
      },
      this.engine,
    );
  }

  async pop(changes: Partial<PopQuery> = {}): Promise<PoppedMessage[]> {
    const taken = this.take(changes);
    await taken.stored;
    const messages = decodeStoredMessages(Buffer.concat(taken.records));
    const places = taken.queues.flatMap(({ queueId, offsets }) => offsets.map((offset) => ({ queueId, offset })));
    return messages.map(({ body, reconsumeTimes }, at) => ({
      queueId: places[at]?.queueId ?? -1,
      offset: places[at]?.offset ?? -1,
      body: body.toString(),
      reconsumeTimes,
      popTimeMs: taken.popTimeMs,
    }));
  }

  /** @returns Whether the ack counted. */
  async ack(message: Pick<PoppedMessage, 'queueId' | 'offset' | 'popTimeMs'>, durationMs = invisibleDurationMs) {
    const { queueId, offset, popTimeMs } = message;
    const queue = { group: popGroup, topic: popTopic, queueId };
    return (await this.engine.pops.ack(queue, { popTimeMs, invisibleDurationMs: durationMs }, [offset])) === 1;
  }

  /** @returns The message by its new receipt. @throws RequestRefused */
  async change(message: PoppedMessage, durationMs: number): Promise<PoppedMessage> {
    const { queueId, offset, popTimeMs } = message;
    const queue = { group: popGroup, topic: popTopic, queueId };
    const delivery = await this.engine.pops.change(queue, offset, { popTimeMs, invisibleDurationMs }, durationMs);
    return { ...message, popTimeMs: delivery.popTimeMs };
  }
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'pop-engine-'));
}

function run(options: BrokerOptions): Promise<RunningEngine> {
  return startEngine(options, '127.0.0.1:10911', () => '127.0.0.1:10911');
}
