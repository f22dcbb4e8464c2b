import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { GrownClient } from '../support/grown-client.ts';
import { type Failure, failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { sendRpcs } from '../support/published-api.ts';
import { clientOf, ways } from '../support/started-proxy.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('what the API has beyond the published one', () => {
  let cluster: Target;
  let proxy: TestedProxy;
  /** Knows the published fields only. */
  let published: ProxyClient;
  let client: GrownClient;

  beforeAll(async () => {
    cluster = await startTarget({ apache: quickRedelivery });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    published = new ProxyClient(proxy.address);
    client = new GrownClient(proxy.address);
  });

  afterAll(async () => {
    published?.close();
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  const portOf = ({ address }: TestedProxy): number => Number(address.split(':')[1]);

  /** A topic of one queue, with ids for it. */
  async function startTopic(topic: string) {
    await cluster.createTopic(topic, { queueCount: 1 });
    return {
      producer_id: await published.createProducer(topic),
      consumer_id: await published.createConsumer(topic, topic),
    };
  }

  describe('bodies of bytes', () => {
    const binary_body = Buffer.concat([Buffer.from([0, 0xff, 0xc3, 0x28]), randomBytes(1_000)]);

    test.concurrent('are sent by every RPC, and received as they are by who asks for bytes', async () => {
      const { producer_id, consumer_id } = await startTopic('bytes');
      const stream = client.open('ReceiveMessages', { consumer_id, binary_bodies: true });
      for (const rpc of sendRpcs) {
        await client.call(rpc, { producer_id, binary_body, sharding_key: 'key' });
        await client.call(rpc, { producer_id, message_body: 'größe', sharding_key: 'key' });
      }
      for (const message of await stream.take(sendRpcs.length * 2)) {
        expect(message).toMatchObject({ message_body: '' });
        expect([binary_body.toString('hex'), Buffer.from('größe').toString('hex')]).toContain(
          message['binary_body'].toString('hex'),
        );
      }
      stream.cancel();
    });

    test.concurrent('of published clients are text, as ever', async () => {
      const { producer_id, consumer_id } = await startTopic('text-of-bytes');
      const stream = published.receive(consumer_id);
      await client.call('SendMessage', { producer_id, binary_body });
      await published.send('SendMessage', { producer_id, message_body: 'größe' });
      const messages = await stream.take(2);
      expect(messages.map(({ message_body }) => message_body)).toEqual([binary_body.toString(), 'größe']);
      stream.cancel();
    });

    test.concurrent('are refused beside text', async () => {
      const { producer_id } = await startTopic('both');
      for (const rpc of sendRpcs) {
        const both = { producer_id, message_body: 'x', binary_body, sharding_key: 'key' };
        expect(await failureOf(client.call(rpc, both))).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: 'message_body and binary_body are both set: give one of them',
        });
      }
    });

    test.concurrent.each(Object.keys(ways))('go and come by %s', async (way) => {
      const topic = `by-${way.replaceAll(/[^\w]+/g, '-')}`;
      const { producer_id: producerId, consumer_id: consumerId } = await startTopic(topic);
      const api = clientOf(portOf(proxy), way as keyof typeof ways);
      const ending = new AbortController();
      await api.sendMessage({ producerId, binaryBody: binary_body });
      for await (const message of api.receiveMessages({ consumerId, binaryBodies: true }, { signal: ending.signal })) {
        expect(Buffer.from(message.binaryBody)).toEqual(binary_body);
        expect(message.messageBody).toBe('');
        break;
      }
      ending.abort();
    });
  });
});
