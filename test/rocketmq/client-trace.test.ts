import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { observeProcess } from '../../src/client/observer.ts';
import { startTestBroker } from '../../src/testing/test-broker.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';
import { skipJavaClients } from './official/build.ts';
import { type Mqadmin, openMqadmin } from './official/official.ts';

interface Started {
  readonly nameServer: string;
  createTopic(topic: string): Promise<void>;
  stop(): Promise<void>;
}

async function startEngine(): Promise<Started> {
  const broker = await startTestBroker();
  return {
    nameServer: broker.nameServer,
    createTopic: (topic) => broker.createTopic(topic),
    stop: () => broker.close(),
  };
}

const targets = [
  { name: 'the embedded engine', start: startEngine },
  {
    name: 'RocketMQ 5.5.0',
    start: (): Promise<Started> => startRocketMQ({ brokerConfig: { traceTopicEnable: true } }),
  },
] as const;

describe.skipIf(skipRocketMQ() || skipJavaClients()).each(targets)('message traces on $name', ({ start }) => {
  let cluster: Started;
  let clients: RealClients;
  let mqadmin: Mqadmin;

  beforeAll(async () => {
    cluster = await start();
    clients = new RealClients(cluster.nameServer);
    mqadmin = await openMqadmin({ nameServer: cluster.nameServer, prefix: 'trace' });
  });

  afterAll(async () => {
    await mqadmin?.close();
    await clients?.close();
    await cluster?.stop();
  });

  test('mqadmin shows who sent a message and who worked on it, how long and with what outcome', async () => {
    const client = clients.create({ trace: {}, producerGroup: 'traced-senders' });
    await cluster.createTopic('traced');
    const { messageId } = await client.producer.send(outgoing('traced', 'body', { tag: 'tag', keys: 'key' }), soon());
    const reader = await Reader.open(client, { group: 'traced-readers', topic: 'traced' });
    const [message] = await reader.count(1);
    if (message === undefined) throw new Error('no message');
    await observeProcess(client.observer, { message, group: 'traced-readers' }, () => undefined);
    const failing = observeProcess(client.observer, { message, group: 'traced-readers' }, () =>
      Promise.reject(new Error('no')),
    );
    await failing.catch(() => {});
    await reader.stop();
    const shown = await vi.waitFor(
      async () => {
        const output = await mqadmin.run('queryMsgTraceById', '-i', messageId, '-t', 'RMQ_SYS_TRACE_TOPIC');
        expect(output).toMatch(/Pub\s+traced-senders/);
        expect(output).toContain('failed');
        return output;
      },
      { timeout: 30_000, interval: 500 },
    );
    // Type, group, client, time, duration, outcome.
    expect(shown).toMatch(/Pub\s+traced-senders\s+\S+\s+[\d-]+ [\d:]+\s+\d+ms\s+success/);
    expect(shown).toMatch(/Sub\s+traced-readers\s+\S+\s+[\d-]+ [\d:]+\s+\d+ms\s+success/);
    expect(shown).toMatch(/Sub\s+traced-readers\s+\S+\s+[\d-]+ [\d:]+\s+\d+ms\s+failed/);
    expect(client.droppedTraceCount).toBe(0);
  });
});
