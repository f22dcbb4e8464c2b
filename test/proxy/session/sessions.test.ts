import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { anyone } from '../../../src/proxy/access/caller.ts';
import { Engines } from '../../../src/proxy/engines.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import type { ConsumerFields, ProducerSpec } from '../../../src/proxy/session/session-specs.ts';
import { Sessions } from '../../../src/proxy/session/sessions.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import {
  bodies,
  consumerDefaults,
  read,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';

const key = Buffer.from('0123456789abcdefghijklmnopqrstuv');
const soon = (): Deadline => Deadline.after(10_000);

const producerFields: Omit<ProducerSpec, 'createdAtMs'> = {
  endpoint: '127.0.0.1:9876',
  accessKeyId: 'id',
  accessKeySecret: 'secret',
  topic: 'topic',
  owner: '',
};

/** Code and text of a refusal. */
function refusal(work: () => unknown): [string | undefined, string] {
  try {
    work();
    return [undefined, 'taken'];
  } catch (error) {
    if (error instanceof ConnectError) return [Code[error.code], error.rawMessage];
    throw error;
  }
}

const unknown = (field: string, creator: string): [string, string] => [
  'NotFound',
  `${field} is unknown here: it was altered, cleaned up, or made under another seal key; call ${creator} for a new one`,
];
const unknownProducer = unknown('producer_id', 'CreateProducer');
const unknownConsumer = unknown('consumer_id', 'CreateConsumer');

describe('Sessions', () => {
  let cluster: ScriptedCluster;
  let engines: Engines;
  let sessions: Sessions;

  /** Another proxy instance. */
  function instance(keys: readonly Uint8Array[] = [key]): Sessions {
    const { invisibleDurationMs, renewalDurationMs, pollDurationMs } = consumerDefaults;
    return new Sessions({
      sealer: new Sealer(keys),
      engines,
      delivery: { invisibleDurationMs, renewalDurationMs, pollDurationMs },
      producerIdleMs: 1_000,
      consumerIdleMs: 1_000,
    });
  }

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    engines = new Engines({ vendor: 'auto', checkEndpoint: () => {}, brokerAllowed: () => true, log: cluster.log });
    sessions = instance();
  });

  afterEach(async () => {
    vi.useRealTimers();
    sessions.close();
    await engines.close();
    await cluster.stop();
  });

  const consumerFields = (change: Partial<ConsumerFields> = {}): ConsumerFields => ({
    ...producerFields,
    endpoint: cluster.nameServer.address,
    group: 'g',
    tagExpression: '*',
    ...change,
  });

  const createConsumer = (change?: Partial<ConsumerFields>): string =>
    sessions.register(sessions.prepareConsumer(consumerFields(change)));

  describe('ids', () => {
    it('stand for what they were made for, on every instance with the key', () => {
      const producerId = sessions.createProducer(producerFields);
      const consumerId = createConsumer();
      for (const each of [sessions, instance(), instance([Buffer.alloc(32, 'another key, newer'), key])]) {
        expect(each.producer(producerId, anyone)).toMatchObject(producerFields);
        expect(each.consumer(consumerId, anyone).fields).toMatchObject(consumerFields());
      }
    });

    it('show nothing of what they stand for, and no two are alike', () => {
      const ids = [1, 2].flatMap(() => [sessions.createProducer(producerFields), createConsumer()]);
      expect(new Set(ids).size).toBe(4);
      for (const id of ids) expect(Buffer.from(id, 'base64url').toString('latin1')).not.toMatch(/secret|topic|9876/);
    });

    it('of one kind are none of another', () => {
      const [producerId, consumerId] = [sessions.createProducer(producerFields), createConsumer()];
      expect(refusal(() => sessions.producer(consumerId, anyone))).toEqual(unknownProducer);
      expect(refusal(() => sessions.consumer(producerId, anyone))).toEqual(unknownConsumer);
      expect(sessions.cleanUpProducer(consumerId, anyone)).toBe(0);
      expect(sessions.cleanUpConsumer(producerId, anyone)).toBe(0);
    });

    it.each([
      ['nothing', ''],
      ['a letter', 'x'],
      ['a million letters', 'x'.repeat(1_000_000)],
      ['a control character', '\u0000'],
      ['a letter that is not ASCII', 'ü'],
    ])('are not made up of %s', (_, id) => {
      expect(refusal(() => sessions.producer(id, anyone))).toEqual(unknownProducer);
      expect(refusal(() => sessions.consumer(id, anyone))).toEqual(unknownConsumer);
      expect(sessions.cleanUpProducer(id, anyone) + sessions.cleanUpConsumer(id, anyone)).toBe(0);
    });

    it('are not altered', () => {
      const id = sessions.createProducer(producerFields);
      for (let index = 0; index < id.length; index += 7) {
        const altered = `${id.slice(0, index)}${id[index] === 'A' ? 'B' : 'A'}${id.slice(index + 1)}`;
        expect(refusal(() => sessions.producer(altered, anyone))).toEqual(unknownProducer);
      }
    });

    it('are not of another key', () => {
      const other = instance([Buffer.from('another key of thirty-two bytes!')]);
      expect(refusal(() => other.producer(sessions.createProducer(producerFields), anyone))).toEqual(unknownProducer);
    });

    it('are refused to who asks for one that is too long', () => {
      const long = { accessKeyId: '\u0000'.repeat(1_024), accessKeySecret: '\u0000'.repeat(1_024) };
      const text = /^endpoint, access keys, names and filter have \d+ bytes together; an id holds 12243$/;
      expect(refusal(() => sessions.createProducer({ ...producerFields, ...long }))).toEqual([
        'InvalidArgument',
        expect.stringMatching(text),
      ]);
      expect(refusal(() => createConsumer({ tagExpression: 'ü'.repeat(6_200) }))).toEqual([
        'InvalidArgument',
        expect.stringMatching(text),
      ]);
      expect(
        sessions.consumer(createConsumer({ tagExpression: 'ü'.repeat(4_096) }), anyone).fields.tagExpression,
      ).toHaveLength(4_096);
    });

    it('carry the choices of a consumer to every instance, and those of before there were any stay good', () => {
      const choices = { sqlCondition: 'a > 1', orderly: true, consumeMode: 'pull' } as const;
      expect(instance().consumer(createConsumer({ choices }), anyone).fields.choices).toEqual(choices);
      const { endpoint, topic, group, tagExpression, accessKeyId, accessKeySecret } = consumerFields();
      const parts = [endpoint, accessKeyId, accessKeySecret, topic, 1_700_000_000_000, '', group, tagExpression];
      const old = new Sealer([key]).seal('consumer', Buffer.from(JSON.stringify(parts)));
      expect(sessions.consumer(old, anyone).fields).toMatchObject(consumerFields());
      expect(sessions.consumer(old, anyone).fields.choices).toBeUndefined();
      expect(sessions.cleanUpConsumer(old, anyone)).toBe(1);
    });

    it('have one session each, for as long as they are known', () => {
      const id = createConsumer();
      expect(sessions.consumer(id, anyone)).toBe(sessions.consumer(id, anyone));
      const other = instance();
      expect(other.consumer(id, anyone)).toBe(other.consumer(id, anyone));
    });
  });

  describe('clean-ups', () => {
    it('of one id end it for good, here only, and count it once', () => {
      const [producerId, consumerId] = [sessions.createProducer(producerFields), createConsumer()];
      expect([sessions.cleanUpProducer(producerId, anyone), sessions.cleanUpConsumer(consumerId, anyone)]).toEqual([
        1, 1,
      ]);
      expect(refusal(() => sessions.producer(producerId, anyone))).toEqual(unknownProducer);
      expect(refusal(() => sessions.consumer(consumerId, anyone))).toEqual(unknownConsumer);
      expect([sessions.cleanUpProducer(producerId, anyone), sessions.cleanUpConsumer(consumerId, anyone)]).toEqual([
        0, 0,
      ]);
      expect(instance().producer(producerId, anyone)).toMatchObject(producerFields);
    });

    it('of one id end one that was made by another instance', () => {
      const id = instance().createProducer(producerFields);
      expect(sessions.cleanUpProducer(id, anyone)).toBe(1);
      expect(refusal(() => sessions.producer(id, anyone))).toEqual(unknownProducer);
    });

    it('of producers end those of the topic, and of the endpoint where it is named', () => {
      const make = (change: Partial<ProducerSpec>): string => sessions.createProducer({ ...producerFields, ...change });
      const ids = [
        make({}),
        make({ endpoint: 'other:1' }),
        make({ topic: 'MQ_INST_1%topic' }),
        make({ topic: 'topi' }),
      ];
      const known = (): boolean[] => ids.map((id) => refusal(() => sessions.producer(id, anyone))[0] === undefined);
      expect(sessions.cleanUpProducers('topic', 'other:1', anyone)).toBe(1);
      expect(known()).toEqual([true, false, true, true]);
      expect(sessions.cleanUpProducers('MQ_INST_1%topic', undefined, anyone)).toBe(1);
      expect(known()).toEqual([true, false, false, true]);
      expect(sessions.cleanUpProducers('topic', undefined, anyone)).toBe(1);
      expect(known()).toEqual([false, false, false, true]);
      expect(sessions.cleanUpProducers('topic', undefined, anyone)).toBe(0);
      expect(sessions.producer(make({}), anyone)).toMatchObject(producerFields);
    });

    it('of consumers end those of the group, and of the topic where it is named', () => {
      const ids = [{}, { topic: 'other' }, { group: 'MQ_INST_1%g', topic: 'MQ_INST_1%topic' }, { group: 'h' }].map(
        createConsumer,
      );
      const known = (): boolean[] => ids.map((id) => refusal(() => sessions.consumer(id, anyone))[0] === undefined);
      expect(sessions.cleanUpConsumers('g', 'other', anyone)).toBe(1);
      expect(known()).toEqual([true, false, true, true]);
      expect(sessions.cleanUpConsumers('g', undefined, anyone)).toBe(2);
      expect(known()).toEqual([false, false, false, true]);
    });

    it('end streams', async () => {
      const pop = new ScriptedPop(cluster.broker);
      const ids = [createConsumer(), createConsumer()];
      const ending = new AbortController();
      const opened = await Promise.all(ids.map((id) => sessions.consumer(id, anyone).open(soon())));
      const streams = opened.map(({ consumer }) => consumer.stream({ messagesMax: 1, signal: ending.signal }));
      for (const stream of streams) {
        pop.arriveOffsets(1);
        expect(bodies(await read(stream, 1))).toEqual(['1']);
      }
      expect(sessions.cleanUpConsumer(ids[0] ?? '', anyone)).toBe(1);
      expect(await streams[0]?.next()).toMatchObject({ done: true });
      expect(sessions.cleanUpConsumers('g', 'topic', anyone)).toBe(1);
      expect(await streams[1]?.next()).toMatchObject({ done: true });
    });

    it('by names that nobody can have are not remembered', () => {
      const used = process.memoryUsage().heapUsed;
      for (let count = 0; count < 200; count += 1) {
        const long = `${count}`.padEnd(1_000_000, 'x');
        expect(sessions.cleanUpProducers(long, undefined, anyone)).toBe(0);
        expect(sessions.cleanUpConsumers(long, undefined, anyone)).toBe(0);
        expect(sessions.cleanUpConsumers('g', long, anyone)).toBe(0);
      }
      expect(process.memoryUsage().heapUsed - used).toBeLessThan(50_000_000);
    });

    it('end a consumer that is being opened only where it has an id already', () => {
      const session = sessions.prepareConsumer(consumerFields());
      expect(sessions.cleanUpConsumers('g', undefined, anyone)).toBe(0);
      const id = sessions.register(session);
      expect(sessions.consumer(id, anyone)).toBe(session);
      expect(instance().consumer(id, anyone).fields).toMatchObject(consumerFields());
    });
  });

  describe('counts', () => {
    it('are of what was used lately', () => {
      vi.useFakeTimers({ toFake: ['performance'] });
      const id = sessions.createProducer(producerFields);
      sessions.createProducer(producerFields);
      createConsumer();
      expect([sessions.activeProducerCount, sessions.activeConsumerCount]).toEqual([2, 1]);
      vi.advanceTimersByTime(900);
      sessions.producer(id, anyone);
      vi.advanceTimersByTime(200);
      expect([sessions.activeProducerCount, sessions.activeConsumerCount]).toEqual([1, 0]);
    });
  });

  describe('the sweep', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['performance'] });
    });

    it('lets go of an idle consumer, whose id stays good', async () => {
      const id = createConsumer();
      await sessions.consumer(id, anyone).open(soon());
      sessions.sweep();
      expect(cluster.broker.requests(RequestCode.UNREGISTER_CLIENT)).toEqual([]);
      vi.advanceTimersByTime(1_001);
      sessions.sweep();
      await cluster.broker.request(RequestCode.UNREGISTER_CLIENT);
      await sessions.consumer(id, anyone).open(soon());
    });

    it('leaves a consumer alone that is being opened for longer than others may be idle', async () => {
      const session = sessions.consumer(createConsumer(), anyone);
      const opening = session.open(soon());
      vi.advanceTimersByTime(2_000);
      sessions.sweep();
      expect(sessions.activeConsumerCount).toBe(1);
      await opening;
      expect(cluster.broker.requests(RequestCode.UNREGISTER_CLIENT)).toEqual([]);
    });

    it('leaves a consumer alone that has a stream, and what it has handed out', async () => {
      const pop = new ScriptedPop(cluster.broker);
      const session = sessions.consumer(createConsumer(), anyone);
      const ending = new AbortController();
      const { consumer } = await session.open(soon());
      const stream = consumer.stream({ messagesMax: 10, signal: ending.signal });
      pop.arriveOffsets(1);
      const [message] = await read(stream, 1);
      vi.advanceTimersByTime(5_000);
      sessions.sweep();
      expect(sessions.activeConsumerCount).toBe(1);
      expect(session.consumer.inFlightCount).toBe(1);
      if (message === undefined) throw new Error('no message');
      await session.consumer.ack(message.receipt, soon());
      expect(session.consumer.inFlightCount).toBe(0);
      ending.abort();
      await stream.next();
    });
  });
});
