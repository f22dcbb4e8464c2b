import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { rocketmqClassPath, skipRocketMQ } from './java.ts';

describe.skipIf(skipRocketMQ())('the client beside the official one, on RocketMQ 5.5.0', () => {
  let cluster: RocketMQCluster;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startRocketMQ();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  test('the official Java client and this one understand each other', async () => {
    const client = clients.create();
    const topic = 'with-java';
    await cluster.createTopic(topic, { queueCount: 1 });
    const ours = await client.producer.send(outgoing(topic, 'from us 😀', { tag: 'tag', keys: 'key' }), soon());
    const read = await runJavaTool('consumeMessage', '-t', topic, '-c', '1', '-b', cluster.brokerName, '-i', '0');
    expect(read).toContain(`MSGID: ${ours.messageId} `);
    expect(read).toContain('TAGS=tag');
    expect(read).toContain('KEYS=key');
    expect(read).toMatch(/BODY: from us 😀$/m);
    // From 4 KiB on, Java compresses.
    const body = 'from-Java,'.repeat(900);
    const sent = await runJavaTool('sendMessage', '-t', topic, '-p', body, '-k', 'key', '-c', 'tag');
    expect(sent).toContain('SEND_OK');
    const reader = await Reader.open(client, { group: 'g-with-java', topic });
    const [, theirs] = await reader.count(2);
    expect(theirs?.body.toString() === body).toBe(true);
    expect(theirs?.tag).toBe('tag');
    expect(theirs?.properties.get('KEYS')).toBe('key');
    expect(sent).toContain(theirs?.messageId);
    await reader.stop();
  });

  /** Runs one of RocketMQ's own tools, which are Java clients; gives back what it printed. */
  async function runJavaTool(...words: readonly string[]): Promise<string> {
    const options = ['-XX:TieredStopAtLevel=1', `-Duser.home=${cluster.directory}`];
    const classPath = await rocketmqClassPath(cluster.version);
    const tool = ['-cp', classPath, 'org.apache.rocketmq.tools.command.MQAdminStartup'];
    const command = [...options, ...tool, ...words, '-n', cluster.nameServer];
    const { stdout } = await promisify(execFile)('java', command, { maxBuffer: 16_777_216 });
    return stdout;
  }
});
