import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { unwrapNamespace, wrapNamespace } from '../../src/remoting/topic-names.ts';
import { countOf, outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

const namespaces = ['one', 'two', 'one-two'] as const;

describeOnTarget('namespaces', () => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  const create = (namespace: string): ClusterClient =>
    clients.create({ namespace, producerGroup: wrapNamespace(namespace, 'producers') });

  test('the same names in two namespaces are two topics and two groups', async () => {
    const tenants = await Promise.all(
      namespaces.map(async (namespace) => {
        const client = create(namespace);
        const topic = wrapNamespace(namespace, 'orders');
        await cluster.createTopic(topic);
        const reader = await Reader.open(client, { topic, group: wrapNamespace(namespace, 'workers') });
        return { namespace, client, topic, reader };
      }),
    );
    const countPerTenant = 100;
    await Promise.all(
      tenants.flatMap(({ client, namespace, topic }) =>
        Array.from({ length: countPerTenant }, (_, index) =>
          index % 3 === 0
            ? client.producer.sendBatch([outgoing(topic, `${namespace} ${index}`)], soon())
            : client.producer.send(outgoing(topic, `${namespace} ${index}`), soon()),
        ),
      ),
    );
    await countOf(
      tenants.map(({ reader }) => reader),
      countPerTenant * tenants.length,
    );
    for (const { namespace, reader } of tenants) {
      await reader.count(countPerTenant);
      await reader.stop();
      const own = Array.from({ length: countPerTenant }, (_, index) => `${namespace} ${index}`);
      expect(reader.bodies.toSorted()).toEqual(own.toSorted());
      expect(new Set(reader.messages.map(({ properties }) => properties.get('INSTANCE_ID')))).toEqual(
        new Set([namespace]),
      );
      expect(new Set(reader.messages.map(({ topic }) => unwrapNamespace(namespace, topic)))).toEqual(
        new Set(['orders']),
      );
    }
  });

  test('what comes again comes to its own namespace only', async () => {
    const readers = await Promise.all(
      ['three', 'four'].map(async (namespace) => {
        const client = create(namespace);
        const topic = wrapNamespace(namespace, 'retried');
        await cluster.createTopic(topic);
        const group = wrapNamespace(namespace, 'retrying');
        const reader = await Reader.open(client, { topic, group }, { ack: false, invisibleDurationMs: 2_000 });
        await client.producer.send(outgoing(topic, namespace), soon());
        return reader;
      }),
    );
    for (const [index, reader] of readers.entries()) {
      const messages = await reader.count(2);
      expect(messages.slice(0, 2).map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1]);
      expect(new Set(reader.bodies)).toEqual(new Set([index === 0 ? 'three' : 'four']));
      await reader.stop();
    }
  });
});
