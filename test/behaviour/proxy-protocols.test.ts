import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { curlFeatures, postByCurl, postByFetch, postByHttp2 } from '../support/http-client.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { connectJson, grpcWeb } from '../support/web-protocols.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

const { curl, http2: curlHttp2 } = curlFeatures();

/** Each protocol by each way to send HTTP: what it is called, whether it can be had here. */
const ways = [
  ['fetch over HTTP/1.1', true, postByFetch],
  ['node:http2 over cleartext HTTP/2', true, postByHttp2],
  ['curl over HTTP/1.1', curl, postByCurl('--http1.1')],
  ['curl over cleartext HTTP/2', curlHttp2, postByCurl('--http2-prior-knowledge')],
] as const;
const protocols = [
  ['connect-json', connectJson],
  ['grpc-web', grpcWeb],
] as const;
const cases = ways.flatMap(([way, isHere, post]) =>
  protocols.map(([protocol, speak]) => ({ name: `${protocol} by ${way}`, isHere, speak, post })),
);

describeOnTarget('without gRPC, on the port of gRPC,', () => {
  let cluster: Target;
  let proxy: TestedProxy;
  let grpc: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({ apache: quickRedelivery });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    grpc = new ProxyClient(proxy.address);
  });

  afterAll(async () => {
    grpc?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  for (const { name, isHere, speak, post } of cases) {
    test.skipIf(!isHere)(`${name}: send, receive, acknowledge, fail, go away`, async () => {
      const topic = name.replaceAll(/[^\w-]+/g, '-');
      await cluster.createTopic(topic, { queueCount: 1 });
      const client = speak(`http://${proxy.address}`, post);
      const { producer_id } = await client.call('CreateProducer', { topic });
      const { consumer_id } = await client.call('CreateConsumer', { topic, group_id: topic });
      const stream = client.receive(String(consumer_id));
      const sent = [];
      for (const message_body of ['Grüße 🚀', 'left']) {
        const properties = { message_key: 'key', properties: { color: 'größer' } };
        sent.push(await client.call('SendMessage', { producer_id, message_body, tag: 'tag', properties }));
      }
      expect(sent[0]).toMatchObject({ success: true });
      const messages = [await stream.next(), await stream.next()];
      expect(messages[0]).toMatchObject({
        message_id: sent[0]?.['message_id'],
        message_body: 'Grüße 🚀',
        tag: 'tag',
        properties: { KEYS: 'key', color: 'größer' },
        born_timestamp: expect.stringMatching(/^\d{13}$/),
      });
      const acked = { consumer_id, receipt_handle: messages[0]?.['receipt_handle'] };
      expect(await client.call('AckMessage', acked)).toMatchObject({ success: true });

      const unknown = { code: 'not_found', message: expect.stringContaining('consumer_id is unknown here') };
      await expect(client.call('AckMessage', { ...acked, consumer_id: 'unknown' })).rejects.toMatchObject(unknown);
      await expect(client.receive('unknown').next()).rejects.toMatchObject(unknown);

      // What it leaves is given back at once, to whoever is next.
      stream.cancel();
      const next = grpc.receive(String(consumer_id));
      expect(await next.take(1, 10_000)).toMatchObject([{ message_body: 'left', reconsume_times: 1 }]);
      next.cancel();
    });
  }

  test.skipIf(!curl)('the line of curl that the README shows', async () => {
    const url = `http://${proxy.address}/rocketmq.RocketMQProxy/HealthCheck`;
    const words = ['-s', '-d', '{}', '-H', 'content-type: application/json', url];
    const { stdout } = await promisify(execFile)('curl', words);
    expect(JSON.parse(stdout)).toMatchObject({ healthy: true });
  });
});
