import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterClient } from '../../src/client/client.ts';
import { ClientError } from '../../src/client/errors.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import type { EngineClient } from '../support/engine-client.ts';
import { ProxyClient, reasonOf } from '../support/grpc-client.ts';
import type { History, SendEvent, SendOutcome } from '../support/history.ts';
import { noProperties } from '../support/published-api.ts';
import { outgoing } from '../support/real-client.ts';

/** How often the load looks at the clock, in ms. */
const tickMs = 10;

/** One way to send a message with this id as its body; rejects when it failed. */
export type Send = (id: string) => Promise<unknown>;

/** Sends at a steady rate, whatever becomes of the sends before, and writes down what each was told. */
export class Load {
  readonly #history: History;
  readonly #send: Send;
  readonly #outcomeOf: (error: unknown) => SendOutcome;
  readonly #underWay = new Set<Promise<void>>();
  /** Why sends failed. */
  readonly failures: unknown[] = [];
  readonly sends: SendEvent[] = [];
  /** How long this process was held up at a time: it can answer nobody meanwhile, whatever the cause. */
  readonly #stalls = monitorEventLoopDelay({ resolution: 10 });
  #count = 0;
  #running = true;
  #ended: Promise<void> = Promise.resolve();

  constructor(history: History, send: Send, outcomeOf: (error: unknown) => SendOutcome = outcomeOfClientError) {
    this.#history = history;
    this.#send = send;
    this.#outcomeOf = outcomeOf;
  }

  /**
   * @param prefix of the ids.
   * @param underWayMax sends that may wait for their answers; while there are so many no more are started.
   */
  start(perSecond: number, prefix = 'm', underWayMax = Number.POSITIVE_INFINITY): this {
    this.#stalls.enable();
    this.#ended = this.#run(perSecond, prefix, underWayMax);
    return this;
  }

  /** Starts no more sends, and waits for the answers of the others. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
    await Promise.all(this.#underWay);
    this.#stalls.disable();
  }

  get underWayCount(): number {
    return this.#underWay.size;
  }

  /** The first success of a send that started at or after this time; undefined before there is one. */
  firstSuccessMs(sinceMs: number): number | undefined {
    const ends = this.sends.flatMap(({ outcome, startMs, endMs }) =>
      outcome === 'stored' && startMs >= sinceMs ? [endMs] : [],
    );
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Longest time that a send took, in ms, less the longest time that this process was held up. */
  get longestMs(): number {
    const longestMs = this.sends.reduce((most, { startMs, endMs }) => Math.max(most, endMs - startMs), 0);
    return Math.max(0, longestMs - this.stallMs);
  }

  /** Longest time that this process was held up, in ms. */
  get stallMs(): number {
    return this.#stalls.max / 1e6;
  }

  async #run(perSecond: number, prefix: string, underWayMax: number): Promise<void> {
    const startMs = performance.now();
    let started = 0;
    while (this.#running) {
      const due = ((performance.now() - startMs) / 1_000) * perSecond;
      for (; started < due; started += 1)
        if (this.#underWay.size < underWayMax) this.#start(`${prefix}${this.#count++}`);
      await sleep(tickMs);
    }
  }

  #start(id: string): void {
    const startMs = performance.now();
    const end = (outcome: SendOutcome): void => {
      const event: SendEvent = { op: 'send', id, startMs, endMs: performance.now(), outcome };
      this.sends.push(event);
      this.#history.add(event);
    };
    const sent = this.#send(id)
      .then(
        () => end('stored'),
        (error: unknown) => {
          this.failures.push(error);
          end(this.#outcomeOf(error));
        },
      )
      .finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
  }
}

/** How often a proxy is asked whether it lives, in ms. */
const pulseIntervalMs = 50;

/**
 * Asks a proxy all the time whether it lives, on a connection of its own, which takes it no time: whatever an answer takes, the proxy or this
 * process was held up. A machine that is busy with other things says nothing about how long something takes.
 */
export class Pulse {
  readonly #client: ProxyClient;
  readonly #ended: Promise<void>;
  /** From one answer to the next. */
  readonly #beats: { readonly startMs: number; readonly endMs: number }[] = [];
  #running = true;

  /** @param address of the proxy. */
  constructor(address: string) {
    this.#client = new ProxyClient(address);
    this.#ended = this.#run();
  }

  /** Longest time at once, in ms. */
  get longestMs(): number {
    return this.#beats.reduce((most, { startMs, endMs }) => Math.max(most, endMs - startMs - pulseIntervalMs), 0);
  }

  /** What is left of a time, in ms, without what the processes were held up meanwhile. */
  less(fromMs: number, toMs: number): number {
    return this.#beats.reduce((leftMs, { startMs, endMs }) => {
      const overlapMs = Math.min(toMs, endMs) - Math.max(fromMs, startMs);
      const share = Math.max(0, 1 - pulseIntervalMs / (endMs - startMs));
      return leftMs - Math.max(0, overlapMs) * share;
    }, toMs - fromMs);
  }

  /** The longest of these sends, in ms, without what the processes were held up meanwhile. */
  longestOf(sends: readonly SendEvent[]): number {
    return sends.reduce((most, { startMs, endMs }) => {
      return endMs - startMs > most ? Math.max(most, this.less(startMs, endMs)) : most;
    }, 0);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
    this.#client.close();
  }

  async #run(): Promise<void> {
    for (let startMs = performance.now(); this.#running; ) {
      await sleep(pulseIntervalMs);
      await this.#client.call('HealthCheck', {});
      const endMs = performance.now();
      this.#beats.push({ startMs, endMs });
      startMs = endMs;
    }
  }
}

/** What the errors of a client say about whether the message is stored. */
export function outcomeOfClientError(error: unknown): SendOutcome {
  if (error instanceof ClientError) return error.kind === 'outcomeUnknown' ? 'unknown' : 'notStored';
  return error instanceof RemotingError && error.outcomeUnknown ? 'unknown' : 'notStored';
}

/** Sends by a client, each with this deadline. */
export function sendBy(client: ClusterClient, topic: string, deadlineMs: number): Send {
  return (id) => client.producer.send(outgoing(topic, id), Deadline.after(deadlineMs));
}

/**
 * Sends through a proxy, which ends each send after its WRITE_TIMEOUT: the caller has more time, so that every answer is the proxy's.
 * @param timeoutMs of the caller.
 */
export function sendThrough(client: ProxyClient, producerId: string, timeoutMs: number): Send {
  const own = { tag: '', properties: noProperties };
  return (id) => client.call('SendMessage', { producer_id: producerId, message_body: id, ...own }, timeoutMs);
}

/** What the failures of a proxy say about whether the message is stored; one that says nothing leaves it open. */
export function outcomeOfFailure(error: unknown): SendOutcome {
  const reason = reasonOf(error);
  return reason === undefined || reason === 'OUTCOME_UNKNOWN' ? 'unknown' : 'notStored';
}

/** Sends messages of one sharding key one after the other, each when the one before was answered, until it is told to stop. */
export function sendInOrder(history: History, client: ClusterClient, topic: string): () => Promise<void> {
  let running = true;
  const run = async (): Promise<void> => {
    for (let sequence = 0; running; sequence += 1) {
      const id = `ordered${sequence}`;
      const startMs = performance.now();
      const sent = client.producer.send(outgoing(topic, id, { shardingKey: 'ordered' }), Deadline.after(5_000));
      const outcome = await sent.then(() => 'stored' as const, outcomeOfClientError);
      history.add({ op: 'send', id, startMs, endMs: performance.now(), outcome });
    }
  };
  const ended = run();
  return async () => {
    running = false;
    await ended;
  };
}

/** Writes down every copy that lies in the queues of a topic: what a consumer that misses nothing would be given. */
export async function drain(
  history: History,
  broker: EngineClient,
  { topic, queueCount, name = 'broker' }: { topic: string; queueCount: number; name?: string },
): Promise<void> {
  for (let queueId = 0; queueId < queueCount; queueId += 1) {
    for (let offset = 0; ; ) {
      const pulled = await broker.pull(topic, { group: 'drain', queueId, offset });
      if (pulled.code === ResponseCode.PULL_NOT_FOUND || pulled.nextBeginOffset === offset) break;
      for (const { body, bornTimestampMs, queueOffset } of pulled.messages) {
        const sequence = /^ordered(\d+)$/.exec(body.toString())?.[1];
        history.add({
          op: 'delivery',
          id: body.toString(),
          ...(sequence === undefined ? {} : { key: 'ordered', sequence: Number(sequence) }),
          queue: `${name}/${topic}/${queueId}`,
          queueOffset: Number(queueOffset),
          attempt: String(bornTimestampMs),
          atMs: performance.now(),
        });
      }
      offset = pulled.nextBeginOffset;
    }
  }
}
