import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Fields, GrownClient } from '../../support/grown-client.ts';
import { failureOf } from '../../support/grpc-client.ts';
import type { StartedSending } from './started-sending.ts';

const stored = { success: true, message: 'the message was stored', code: 0, reason: '' };

export function publishSuite(at: () => StartedSending): void {
  let client: GrownClient;
  let startTopic: StartedSending['startTopic'];
  const streams: { cancel(): void }[] = [];

  beforeAll(() => {
    ({ one: client, startTopic } = at());
  });

  afterAll(() => {
    for (const stream of streams) stream.cancel();
  });

  function publish() {
    const stream = client.converse('Publish');
    streams.push(stream);
    return stream;
  }

  /** Bodies as they come, and are acknowledged, until those that came are enough. */
  async function receive(
    consumer_id: string,
    isEnough: (different: ReadonlySet<string>) => boolean,
  ): Promise<readonly string[]> {
    const stream = client.open('ReceiveMessages', { consumer_id });
    const bodies: string[] = [];
    const different = new Set<string>();
    const receipt_handles: string[] = [];
    const acknowledge = () => client.call('AckMessages', { consumer_id, receipt_handles: receipt_handles.splice(0) });
    while (!isEnough(different)) {
      const [{ message_body, receipt_handle } = {}] = await stream.take(1);
      bodies.push(message_body);
      different.add(message_body);
      receipt_handles.push(receipt_handle);
      if (receipt_handles.length === 500) await acknowledge();
    }
    if (receipt_handles.length > 0) await acknowledge();
    stream.cancel();
    return bodies;
  }

  const countOf = (count: number) => (different: ReadonlySet<string>) => different.size >= count;

  test.concurrent('stores 10,000 messages once, those of one sharding key in their order, and answers all behind a half-close', async () => {
    const { producer_id, consumer_id } = await startTopic('many', 4);
    const [requestCount, perRequest, keyCount] = [200, 50, 7];
    const stream = publish();
    for (let request_id = 0; request_id < requestCount; request_id += 1) {
      const messages = Array.from({ length: perRequest }, (_, index) => {
        const number = request_id * perRequest + index;
        return { message_body: String(number), properties: { sharding_key: `key-${number % keyCount}` } };
      });
      // The id of a producer is said once.
      stream.call.write({ request_id, messages, ...(request_id === 0 ? { producer_id } : {}) });
    }
    stream.call.end();
    await stream.ended();
    const { received } = stream;
    expect(received.map(({ request_id }) => Number(request_id)).toSorted((one, two) => one - two)).toEqual(
      Array.from({ length: requestCount }, (_, request_id) => request_id),
    );
    for (const { outcome, outcomes } of received) {
      expect(outcome).toMatchObject({ success: true, message: '50 of 50 messages are stored' });
      expect(outcomes.map((each: Fields) => each['outcome'])).toEqual(outcomes.map(() => stored));
    }
    const ids = received.flatMap(({ outcomes }) => outcomes.map(({ message_id }: Fields) => message_id));
    expect(new Set(ids).size).toBe(requestCount * perRequest);

    const bodies = await receive(consumer_id, countOf(requestCount * perRequest));
    expect(bodies).toHaveLength(requestCount * perRequest);
    for (let key = 0; key < keyCount; key += 1) {
      const numbers = bodies.map(Number).filter((number) => number % keyCount === key);
      expect(numbers).toEqual(numbers.toSorted((one, two) => one - two));
    }
  });

  test.concurrent('fails what it must, and goes on', async () => {
    const { producer_id, consumer_id } = await startTopic('goes-on');
    const { producer_id: second, consumer_id: secondConsumer } = await startTopic('goes-on-elsewhere');
    const stream = publish();
    const ask = async (request: object): Promise<Fields> => {
      stream.call.write(request);
      return (await stream.take(1))[0] ?? {};
    };
    const refused = (code: number, reason: string, message: string) => ({
      outcome: { success: false, code, reason, message: expect.stringContaining(message) },
      outcomes: [],
    });
    const messages = [{ message_body: 'good' }];
    expect(await ask({ request_id: 1, messages })).toMatchObject(refused(5, 'ID_NOT_FOUND', 'producer_id'));
    expect(await ask({ request_id: 2, producer_id: 'x', messages })).toMatchObject(
      refused(5, 'ID_NOT_FOUND', 'producer_id'),
    );
    expect(await ask({ request_id: 3, producer_id })).toMatchObject(refused(3, 'INVALID_REQUEST', 'messages has 0'));
    const tooMany = Array.from({ length: 1_001 }, () => ({ message_body: 'x' }));
    expect(await ask({ request_id: 4, messages: tooMany })).toMatchObject(refused(3, 'INVALID_REQUEST', '1 to 1000'));
    const mixed = await ask({ request_id: 5, messages: [...messages, { message_body: 'bad', delay_time_level: 19 }] });
    expect(mixed).toMatchObject({
      request_id: '5',
      outcome: { success: true, message: '1 of 2 messages are stored' },
      outcomes: [
        { outcome: stored },
        { outcome: { success: false, code: 3, reason: 'INVALID_REQUEST' }, message_id: '' },
      ],
    });
    // Another producer, from here on.
    expect(await ask({ request_id: '-9223372036854775808', producer_id: second, messages })).toMatchObject({
      request_id: '-9223372036854775808',
      outcomes: [{ outcome: stored }],
    });
    await client.call('CleanupProducer', { producer_id: second });
    expect(await ask({ request_id: 7, messages })).toMatchObject(refused(5, 'ID_NOT_FOUND', 'CreateProducer'));
    expect(await ask({ request_id: 8, producer_id, messages: tooMany.slice(1) })).toMatchObject({
      outcome: { message: '1000 of 1000 messages are stored' },
    });
    stream.call.end();
    await stream.ended();
    const bodies = await receive(consumer_id, countOf(2));
    expect(bodies.filter((body) => body === 'good')).toHaveLength(1);
    expect(await receive(secondConsumer, countOf(1))).toEqual(['good']);
  });

  test.concurrent('of a caller who goes in the middle, all that was answered is stored', async () => {
    const { producer_id, consumer_id } = await startTopic('cancelled');
    const stream = publish();
    for (let request_id = 0; request_id < 100; request_id += 1) {
      const messages = Array.from({ length: 20 }, (_, index) => ({ message_body: `${request_id} ${index}` }));
      stream.call.write({ request_id, producer_id, messages });
    }
    await stream.take(1);
    stream.cancel();
    expect((await failureOf(stream.ended())).code).toBe('CANCELLED');
    const answered = stream.received.flatMap(({ request_id, outcomes }) =>
      outcomes.map((_: Fields, index: number) => `${request_id} ${index}`),
    );
    await client.call('SendMessage', { producer_id, message_body: 'last' });
    await receive(consumer_id, (bodies) => bodies.has('last') && answered.every((body) => bodies.has(body)));
  });

  test.concurrent('a request that is too large for any call ends the stream', async () => {
    const { producer_id } = await startTopic('too-large');
    const stream = publish();
    stream.call.write({ request_id: 1, producer_id, messages: [{ message_body: 'good' }] });
    expect(await stream.take(1)).toMatchObject([{ request_id: '1', outcomes: [{ outcome: stored }] }]);
    stream.call.write({ request_id: 2, messages: [{ binary_body: Buffer.alloc(5_242_880) }] });
    expect((await failureOf(stream.ended())).code).toBe('RESOURCE_EXHAUSTED');
  });
}
