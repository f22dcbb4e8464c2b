import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canCompress } from '../../src/remoting/compression.ts';
import { startTestBroker, type TestBroker } from '../../src/testing/test-broker.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { rocketmqClassPath, skipRocketMQ } from './java.ts';

const types = ['zlib', 'lz4', 'zstd'] as const;

describe.skipIf(skipRocketMQ())('compressed bodies between the client and the official Java client', () => {
  let broker: TestBroker;
  let clients: RealClients;
  let home: string;

  beforeAll(async () => {
    broker = await startTestBroker();
    clients = new RealClients(broker.nameServer);
    home = await mkdtemp(join(tmpdir(), 'compression-'));
  });

  afterAll(async () => {
    await clients?.close();
    await broker?.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });

  // From 4 KiB on, Java compresses. What it gets as an argument may lose blanks at its end, and letters that are not ASCII.
  const body = 'over the sea and over the hills;'.repeat(300);

  test.each(types)('%s by Java comes here as it was', async (type) => {
    const client = clients.create();
    const topic = `from-java-${type}`;
    await broker.createTopic(topic, { queueCount: 1 });
    const reader = await Reader.open(client, { topic, group: topic });
    const sent = await runJavaTool(['-p', body, '-t', topic], 'sendMessage', type);
    expect(sent).toContain('SEND_OK');
    await reader.count(1);
    await reader.stop();
    expect(reader.bodies[0] === body).toBe(true);
  });

  test.each(types.filter(canCompress))('%s by us comes to Java as it was', async (type) => {
    const topic = `to-java-${type}`;
    await broker.createTopic(topic, { queueCount: 1 });
    const { producer } = clients.create({ compression: { type, overBytes: 100 } });
    const { queue } = await producer.send(outgoing(topic, body), soon());
    const where = ['-t', topic, '-c', '1', '-b', queue.brokerName, '-i', String(queue.queueId)];
    const read = await runJavaTool(where, 'consumeMessage', type);
    expect(/BODY: (.*)$/m.exec(read)?.[1] === body).toBe(true);
  });

  /** Runs one of RocketMQ's own tools, which are Java clients; gives back what it printed. */
  async function runJavaTool(words: readonly string[], command: string, type: string): Promise<string> {
    const options = ['-XX:TieredStopAtLevel=1', `-Duser.home=${home}`, '-Dfile.encoding=UTF-8'];
    const classPath = await rocketmqClassPath('5.5.0');
    const tool = ['-cp', classPath, 'org.apache.rocketmq.tools.command.MQAdminStartup', command];
    const setting = `-Drocketmq.message.compressType=${type.toUpperCase()}`;
    const { stdout } = await promisify(execFile)(
      'java',
      [...options, setting, ...tool, ...words, '-n', broker.nameServer],
      { maxBuffer: 16_777_216 },
    );
    return stdout;
  }
});
