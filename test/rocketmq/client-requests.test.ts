import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { startTestBroker } from '../../src/testing/test-broker.ts';
import { outgoing, Reader, RealClients } from '../support/real-client.ts';
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
  { name: 'RocketMQ 5.5.0', start: (): Promise<Started> => startRocketMQ() },
] as const;

/** JVMs start cold. */
const later = (): Deadline => Deadline.after(60_000);

describe.skipIf(skipRocketMQ() || skipJavaClients()).each(targets)('requests and replies on $name', ({ start }) => {
  let cluster: Started;
  let clients: RealClients;
  let client: ClusterClient;
  let java: Mqadmin;

  beforeAll(async () => {
    cluster = await start();
    clients = new RealClients(cluster.nameServer);
    client = clients.create();
    java = await openMqadmin({ nameServer: cluster.nameServer, prefix: 'requests' });
  });

  afterAll(async () => {
    await java?.close();
    await clients?.close();
    await cluster?.stop();
  });

  test('this client replies to the official Java client, and hears of replies that nobody waits for', async () => {
    await cluster.createTopic('from-java');
    const reader = await Reader.open(client, { group: 'answers-java', topic: 'from-java' });
    const answered = (async () => {
      const [request] = await reader.count(1);
      if (request === undefined) throw new Error('no request');
      const body = Buffer.from(`us: ${request.body} 😀`);
      await client.requestReply.reply(request, body, { properties: [['user', 'value']] }, later());
      return request;
    })();
    const output = await java.run('@request', 'from-java', 'java-requesters', '30000', 'hello');
    const request = await answered;
    expect(output).toBe('us: hello 😀');
    expect(Number(request.properties.get('TTL'))).toBe(30_000);
    // Nobody waits any more; the official client says success to such a reply, as ours does.
    await client.requestReply.reply(request, Buffer.from('late'), {}, later());
    await reader.stop();
  });

  test('this client gets a reply of the official Java client, short or compressed', async () => {
    await cluster.createTopic('to-java');
    await java.run('@answer', 'to-java', 'java-responders');
    const short = await client.requestReply.request(outgoing('to-java', 'hello'), later());
    expect(short.body.toString()).toBe('Java: hello');
    expect(short.properties.get('MSG_TYPE')).toBe('reply');
    expect(short.messageId).toMatch(/^(?:[0-9A-F]{32}|[0-9A-F]{56})$/);
    // From 4 KiB on, Java compresses.
    const body = 'long,'.repeat(4_000);
    const long = await client.requestReply.request(outgoing('to-java', body), later());
    expect(long.body.toString() === `Java: ${body}`).toBe(true);
    const many = Array.from({ length: 50 }, (_, index) => `request ${index}`);
    const replies = await Promise.all(
      many.map((text) => client.requestReply.request(outgoing('to-java', text), later())),
    );
    expect(replies.map((reply) => reply.body.toString())).toEqual(many.map((text) => `Java: ${text}`));
    expect(client.requestReply.unclaimedCount).toBe(0);
    await java.run('@leave', 'java-responders');
  });

  test('both give up a request that nobody answers', async () => {
    await cluster.createTopic('silent');
    const ours = client.requestReply.request(outgoing('silent', 'x'), Deadline.after(3_000));
    const theirs = java.run('@request', 'silent', 'java-requesters', '3000', 'x');
    await expect(ours).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true });
    expect(await theirs).toBe('timeout');
  });
});
