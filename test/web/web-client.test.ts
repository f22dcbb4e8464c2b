import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebClient } from '../../src/web/web.ts';
import { closedAddress } from '../support/tcp-peers.ts';
import { WebStage } from './web-stage.ts';

describe.each(['connect', 'grpc-web'] as const)('a client by %s', { timeout: 60_000 }, (protocol) => {
  let stage: WebStage;
  let baseUrl: string;
  beforeAll(async () => {
    stage = await WebStage.start();
    baseUrl = `http://${(await stage.startProxy()).address}`;
  }, 30_000);
  afterAll(() => stage.stop(), 30_000);

  it('lets consumers choose what they receive', async () => {
    const topic = await stage.createTopic();
    await using client = createWebClient({ baseUrl, protocol, endpoint: stage.nameServer });
    const producer = client.producer(topic);
    await producer.publishAll([
      { body: 'cheap', tag: 'a', properties: { price: '5' } },
      { body: 'dear', tag: 'b', properties: { price: '50' } },
    ]);
    const first = async (groupId: string, options: Parameters<typeof client.consumer>[2]): Promise<string> => {
      for await (const { body } of client.consumer(topic, groupId, options)) return body;
      return 'none';
    };
    expect(await first('tags', { consumeFrom: 'first', tagExpression: 'b || c' })).toBe('dear');
    expect(await first('sql', { consumeFrom: new Date(1), sqlExpression: 'price > 10' })).toBe('dear');
    expect(await first('ordered', { consumeFrom: 'first', ordered: true })).toMatch(/^(cheap|dear)$/);
  });

  it('ends with all that it made, once', async () => {
    const client = createWebClient({ baseUrl, protocol });
    const producer = client.producer(await stage.createTopic());
    // Of a topic without messages.
    const topic = await stage.createTopic();
    const ended = client.consumer(topic, 'g').messages().next();
    await producer.publish('x');
    await Promise.all([client.close(), client.close()]);
    expect((await ended).done).toBe(true);
    await expect(producer.publish('x')).rejects.toMatchObject({ reason: 'CLOSED' });
    expect(() => client.producer(topic)).toThrow('the client has been closed');
    expect(() => client.consumer(topic, 'g')).toThrow('the client has been closed');
  });

  it('says which proxy gave no answer', async () => {
    const address = await closedAddress();
    const published = createWebClient({ baseUrl: `http://${address}`, protocol })
      .producer('t')
      .publish('x');
    await expect(published).rejects.toMatchObject({ reason: 'NO_ANSWER', message: expect.stringContaining(address) });
  });
});

it('takes no time that is none', () => {
  const client = createWebClient({ baseUrl: 'http://127.0.0.1:1' });
  expect(() => client.consumer('t', 'g', { consumeFrom: new Date('never') })).toThrow('consumeFrom');
});

it.each(['', 'localhost:50051', 'ftp://localhost', '/proxy'])('takes no baseUrl %o', (baseUrl) => {
  expect(() => createWebClient({ baseUrl })).toThrow('baseUrl');
});
