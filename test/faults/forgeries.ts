/** ids and receipt handles that nobody gave out. */
import { randomBytes } from 'node:crypto';
import type { Receipt } from '../../src/client/receipt.ts';
import { anyone, type Caller } from '../../src/proxy/caller.ts';
import { Engines } from '../../src/proxy/engines.ts';
import { Receipts } from '../../src/proxy/receipts.ts';
import { Sealer } from '../../src/proxy/seal.ts';
import { receiptOwner } from '../../src/proxy/session-specs.ts';
import { Sessions } from '../../src/proxy/sessions.ts';
import { seededRandom } from '../support/chaos-proxy.ts';
import { proxyOptions, testSealKey } from '../support/started-proxy.ts';
import { Row } from './figures.ts';

const target = { endpoint: '127.0.0.1:9876', accessKeyId: 'key', accessKeySecret: 'secret', owner: '' };
const consumerFields = { ...target, group: 'group', topic: 'topic', tagExpression: '*', choices: {} };
const receipt: Receipt = {
  startOffset: 1n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 30_000,
  reviveQueueId: 0,
  retry: '0',
  brokerName: 'broker-a',
  queueId: 1,
  queueOffset: 2n,
};

/** Makes texts that are nearly those that were given out, and such as are not at all. */
class Forger {
  readonly #genuine: readonly Buffer[];
  readonly #random = seededRandom(61);
  #count = 0;

  constructor(genuine: readonly string[]) {
    this.#genuine = genuine.map((text) => Buffer.from(text, 'base64url'));
  }

  next(): string {
    const one = this.#pick();
    this.#count += 1;
    switch (this.#count % 6) {
      case 0:
        return randomBytes(1 + this.#below(2 * one.length)).toString('base64url');
      case 1:
        // As a genuine one begins: version, key, salt and counter.
        return Buffer.concat([one.subarray(0, 29), randomBytes(one.length - 29)]).toString('base64url');
      case 2:
        return this.#flipped(one).toString('base64url');
      case 3:
        return one.subarray(0, 1 + this.#below(one.length - 1)).toString('base64url');
      case 4:
        return Buffer.concat([one, randomBytes(1 + this.#below(20))]).toString('base64url');
      default:
        return this.#spliced(one, this.#pick()).toString('base64url');
    }
  }

  #flipped(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes);
    const bit = this.#below(bytes.length * 8);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  }

  /** The beginning of one and the end of another; of two that are the same, with a bit flipped. */
  #spliced(one: Buffer, other: Buffer): Buffer {
    const at = 1 + this.#below(Math.min(one.length, other.length) - 1);
    const spliced = Buffer.concat([one.subarray(0, at), other.subarray(at)]);
    return this.#genuine.some((each) => each.equals(spliced)) ? this.#flipped(spliced) : spliced;
  }

  #pick(): Buffer {
    return this.#genuine[this.#below(this.#genuine.length)] ?? Buffer.alloc(0);
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

/** What became of many tries. */
class Tries {
  acceptedCount = 0;
  readonly texts = new Set<string>();
  /** CPU time of one try, in µs, in the round where it was least: the machine may have other work. */
  micros = Number.POSITIVE_INFINITY;

  run(count: number, next: () => string, use: (text: string) => unknown): this {
    const roundCount = Math.max(1, Math.min(count, Math.round(count / 20)));
    for (let left = count; left > 0; left -= roundCount) {
      const forged = Array.from({ length: Math.min(left, roundCount) }, next);
      const before = process.cpuUsage();
      for (const text of forged) this.#try(() => use(text));
      const { user, system } = process.cpuUsage(before);
      // The clock of the CPU goes in steps.
      if (forged.length >= 100) this.micros = Math.min(this.micros, (user + system) / forged.length);
    }
    return this;
  }

  #try(use: () => unknown): void {
    try {
      use();
      this.acceptedCount += 1;
    } catch (error) {
      this.texts.add(String(error));
    }
  }
}

/**
 * @param count of forged ids, and of forged handles.
 * @param microsMax longest that one look may take: only where few enough programs run beside this one.
 */
export function judgeForgeries(count: number, microsMax = Number.POSITIVE_INFINITY): void {
  const options = proxyOptions();
  const engines = new Engines({ ...options, checkEndpoint: () => {}, brokerAllowed: () => true });
  const make = (sealer: Sealer): Sessions => new Sessions({ ...options, sealer, engines });
  const sessions = make(new Sealer([testSealKey]));
  const strange = make(new Sealer([randomBytes(32)]));
  const producer = (from: Sessions, owner = ''): string => from.createProducer({ ...target, topic: 'topic', owner });
  const consumer = (from: Sessions, owner = ''): string =>
    from.register(from.prepareConsumer({ ...consumerFields, owner }));
  const producerIds = Array.from({ length: 20 }, () => producer(sessions));
  const consumerIds = Array.from({ length: 20 }, () => consumer(sessions));
  const [cleanedProducer, cleanedConsumer] = [producer(sessions), consumer(sessions)];
  sessions.cleanUpProducer(cleanedProducer, anyone);
  sessions.cleanUpConsumer(cleanedConsumer, anyone);
  const asProducer = (id: string, caller: Caller = anyone) => sessions.producer(id, caller);
  const asConsumer = (id: string, caller: Caller = anyone) => sessions.consumer(id, caller);

  const producers = new Tries().run(count / 2, forgerOf(producerIds), asProducer);
  const notOurs = [producer(strange), producer(sessions, 'tenant'), cleanedProducer, consumerIds[0] ?? '', ''];
  producers.run(notOurs.length, listed(notOurs), asProducer);
  const consumers = new Tries().run(count / 2, forgerOf(consumerIds), asConsumer);
  const notTheirs = [consumer(strange), consumer(sessions, 'tenant'), cleanedConsumer, producerIds[0] ?? '', ''];
  consumers.run(notTheirs.length, listed(notTheirs), asConsumer);
  new Row('R-61')
    .tell('forged ids', count)
    .exactly('of them accepted', producers.acceptedCount + consumers.acceptedCount, 0)
    .exactly('different texts for all causes, of a producer id', producers.texts.size, 1)
    .exactly('different texts for all causes, of a consumer id', consumers.texts.size, 1)
    .exactly(
      'good ids refused',
      [...producerIds.map(asGood(asProducer)), ...consumerIds.map(asGood(asConsumer))].filter((good) => !good).length,
      0,
    )
    .atMost('one look at a producer id', producers.micros, microsMax, 'µs')
    .atMost('one look at a consumer id', consumers.micros, microsMax, 'µs')
    .judge();

  const receipts = new Receipts(new Sealer([testSealKey]));
  const owner = receiptOwner(consumerFields);
  const handles = Array.from({ length: 20 }, () => receipts.seal(owner, receipt));
  const others = [{ group: 'other' }, { topic: 'other' }, { endpoint: '127.0.0.2:9876' }].map((change) =>
    receipts.seal(receiptOwner({ ...consumerFields, ...change }), receipt),
  );
  const asHandle = (text: string) => receipts.open(owner, text);
  const forged = new Tries().run(count, forgerOf(handles), asHandle);
  const foreign = new Tries().run(others.length, listed(others), asHandle);
  new Row('R-62')
    .tell('forged receipt handles', count)
    .exactly('of them accepted', forged.acceptedCount, 0)
    .exactly('different texts for all causes', forged.texts.size, 1)
    .exactly('accepted from another group, topic or cluster', foreign.acceptedCount, 0)
    .exactly('good handles refused', handles.map(asGood(asHandle)).filter((good) => !good).length, 0)
    .atMost('one look at a handle', forged.micros, microsMax, 'µs')
    .judge();
}

function forgerOf(genuine: readonly string[]): () => string {
  const forger = new Forger(genuine);
  return () => forger.next();
}

function listed(texts: readonly string[]): () => string {
  const rest = [...texts];
  return () => rest.shift() ?? '';
}

function asGood(use: (text: string) => unknown): (text: string) => boolean {
  return (text) => use(text) !== undefined;
}
