/** ids and receipt handles that nobody gave out. */
import { createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto';
import type { Claim } from '../../src/client/receipt.ts';
import { anyone, type Caller } from '../../src/proxy/access/caller.ts';
import { Engines } from '../../src/proxy/engines.ts';
import { Receipts } from '../../src/proxy/receive/receipts.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { receiptOwner } from '../../src/proxy/session/session-specs.ts';
import { Sessions } from '../../src/proxy/session/sessions.ts';
import { seededRandom } from '../support/chaos-proxy.ts';
import { proxyOptions, testSealKey } from '../support/started-proxy.ts';
import { Row } from './figures.ts';

const target = { endpoint: '127.0.0.1:9876', accessKeyId: 'key', accessKeySecret: 'secret', owner: '' };
const consumerFields = { ...target, group: 'group', topic: 'topic', tagExpression: '*', choices: {} };
const popped: Claim = {
  startOffset: 1n,
  popTimeMs: 1_700_000_000_000,
  invisibleDurationMs: 30_000,
  reviveQueueId: 0,
  retry: '0',
  brokerName: 'broker-a',
  queueId: 1,
  queueOffset: 2n,
};

/** How the bytes of a text are written. */
interface Spelling {
  readonly read: (text: string) => Buffer;
  readonly write: (bytes: Buffer) => string;
}

const whole: Spelling = {
  read: (text) => Buffer.from(text, 'base64url'),
  write: (bytes) => bytes.toString('base64url'),
};

/** Handles by pull: what many have in common, a dot, and the number of one delivery. @param stemBytes the same in all that are forged from. */
function dotted(stemBytes: number): Spelling {
  return {
    read: (text) => Buffer.concat(text.split('.').map(whole.read)),
    write: (bytes) => `${whole.write(bytes.subarray(0, stemBytes))}.${whole.write(bytes.subarray(stemBytes))}`,
  };
}

/** Makes texts that are nearly those that were given out, and such as are not at all. */
class Forger {
  readonly #genuine: readonly Buffer[];
  readonly #spelling: Spelling;
  readonly #random = seededRandom(61);
  #count = 0;

  constructor(genuine: readonly string[], spelling: Spelling) {
    this.#genuine = genuine.map(spelling.read);
    this.#spelling = spelling;
  }

  next(): string {
    return this.#spelling.write(this.#forge());
  }

  #forge(): Buffer {
    const one = this.#pick();
    this.#count += 1;
    switch (this.#count % 6) {
      case 0:
        return randomBytes(1 + this.#below(2 * one.length));
      case 1:
        // As a genuine one begins: version, key, salt and counter.
        return Buffer.concat([one.subarray(0, 29), randomBytes(one.length - 29)]);
      case 2:
        return this.#flipped(one);
      case 3:
        return one.subarray(0, 1 + this.#below(one.length - 1));
      case 4:
        return Buffer.concat([one, randomBytes(1 + this.#below(20))]);
      default:
        return this.#spliced(one, this.#pick());
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

/** Looks may take so many times as long as the cryptography alone that each has to do. */
const looksPerCryptographyMax = 2.5;

/** What a look does at least, by Node alone: a key is derived, and what it does not open is decrypted. */
function cryptographyMicros(): number {
  const sealed = randomBytes(150);
  const key = randomBytes(32);
  const look = (): void => {
    const extracted = createHmac('sha256', sealed.subarray(5, 21)).update(key).digest();
    const derived = createSecretKey(createHmac('sha256', extracted).update('info').digest());
    const decipher = createDecipheriv('aes-256-gcm', derived, sealed.subarray(17, 29), { authTagLength: 16 });
    decipher.setAAD(sealed.subarray(0, 29));
    decipher.setAuthTag(sealed.subarray(134));
    decipher.update(sealed.subarray(29, 134));
    decipher.final();
  };
  return new Tries().run(200_000, () => '', look).micros;
}

/**
 * @param count of forged ids, and of forged handles.
 * @param microsMax longest that one look may take, on a machine that is quick enough for it: only where few enough programs run beside this one.
 */
export function judgeForgeries(count: number, microsMax = Number.POSITIVE_INFINITY): void {
  const cryptography = microsMax === Number.POSITIVE_INFINITY ? 0 : cryptographyMicros();
  const lookMicrosMax = Math.max(microsMax, Math.round(looksPerCryptographyMax * cryptography));
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
    .tell('its cryptography alone', cryptography, 'µs')
    .atMost('one look at a producer id', producers.micros, lookMicrosMax, 'µs')
    .atMost('one look at a consumer id', consumers.micros, lookMicrosMax, 'µs')
    .judge();

  for (const way of ['POP', 'pull'] as const) judgeHandles(way, count / 2, lookMicrosMax);
}

function judgeHandles(way: 'POP' | 'pull', count: number, microsMax: number): void {
  const receipts = new Receipts(new Sealer([testSealKey]));
  const owner = receiptOwner(consumerFields);
  let deliveryNumber = 0;
  const seal = (by = owner): string => {
    deliveryNumber += 1;
    return receipts.seal(by, way === 'POP' ? popped : { clientMark: '0123456789abcdef', deliveryNumber });
  };
  const handles = Array.from({ length: 20 }, () => seal());
  const others = [{ group: 'other' }, { topic: 'other' }, { endpoint: '127.0.0.2:9876' }].map((change) =>
    seal(receiptOwner({ ...consumerFields, ...change })),
  );
  const spelling = way === 'POP' ? whole : dotted(whole.read(handles[0]?.split('.')[0] ?? '').length);
  const asHandle = (text: string) => receipts.open(owner, text);
  const forged = new Tries().run(count, forgerOf(handles, spelling), asHandle);
  const foreign = new Tries().run(others.length, listed(others), asHandle);
  new Row('R-62')
    .tell(`forged receipt handles by ${way}`, count)
    .exactly('of them accepted', forged.acceptedCount, 0)
    .exactly('different texts for all causes', forged.texts.size, 1)
    .exactly('accepted from another group, topic or cluster', foreign.acceptedCount, 0)
    .exactly('good handles refused', handles.map(asGood(asHandle)).filter((good) => !good).length, 0)
    .atMost('one look at a handle', forged.micros, microsMax, 'µs')
    .judge();
}

function forgerOf(genuine: readonly string[], spelling = whole): () => string {
  const forger = new Forger(genuine, spelling);
  return () => forger.next();
}

function listed(texts: readonly string[]): () => string {
  const rest = [...texts];
  return () => rest.shift() ?? '';
}

function asGood(use: (text: string) => unknown): (text: string) => boolean {
  return (text) => use(text) !== undefined;
}
