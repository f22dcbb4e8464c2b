import { describe, expect, it, onTestFinished } from 'vitest';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { getMaxOffset } from '../../src/remoting/requests/consumer-offset.ts';
import { sendMessage } from '../../src/remoting/requests/send-message.ts';
import { startTestBroker, type TestBroker } from '../../src/testing/test-broker.ts';
import { connectEngine, type EngineClient, sendFields } from '../support/engine-client.ts';

async function start(): Promise<{ broker: TestBroker; client: EngineClient }> {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  return { broker, client: await connectEngine(broker.brokerAddress) };
}

const { SEND_MESSAGE_V2, GET_MAX_OFFSET } = RequestCode;
const send = sendMessage.encode(sendFields('orders'), Buffer.from('body'));
const ask = getMaxOffset.encode({ topic: 'orders', queueId: 0 });
/** Long enough for an answer that comes, short enough to wait for one that does not. */
const patienceMs = 150;

describe('faults', () => {
  it('drop requests: not worked on, not answered', async () => {
    const { broker, client } = await start();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'drop' } });
    await expect(client.invoke(send, patienceMs)).rejects.toMatchObject({ kind: 'timeout' });
    expect((await client.invoke(ask)).extFields['offset']).toBe('0');
    expect(broker.messages('orders')).toEqual([]);
  });

  it('drop replies: worked on, not answered', async () => {
    const { broker, client } = await start();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'dropReply' } });
    await expect(client.invoke(send, patienceMs)).rejects.toMatchObject({ kind: 'timeout' });
    expect(broker.messages('orders')).toHaveLength(1);
  });

  it('delay requests', async () => {
    const { broker, client } = await start();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'delay', durationMs: 50 } });
    const startMs = performance.now();
    const delayed = client.invoke(send);
    expect((await client.invoke(ask)).extFields['offset']).toBe('0');
    expect((await delayed).code).toBe(0);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(49);
  });

  it('refuse requests, by any code and text', async () => {
    const { broker, client } = await start();
    const remove = broker.faults.add({ fault: { kind: 'refuse', code: 2, remark: '[TIMEOUT_CLEAN_QUEUE]' } });
    expect(await client.invoke(send)).toMatchObject({ code: 2, remark: '[TIMEOUT_CLEAN_QUEUE]' });
    remove();
    remove();
    broker.faults.add({ fault: { kind: 'refuse', code: 14 } });
    expect(await client.invoke(send)).toMatchObject({ code: 14, remark: 'refused by a test' });
    expect(broker.messages('orders')).toEqual([]);
  });

  it('cut connections', async () => {
    const { broker, client } = await start();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'disconnect' } });
    await expect(client.invoke(send)).rejects.toMatchObject({ kind: 'closed' });
    expect(broker.messages('orders')).toEqual([]);
    const other = await connectEngine(broker.brokerAddress);
    expect((await other.invoke(ask)).code).toBe(0);
  });

  it('meet as many requests as they say', async () => {
    const { broker, client } = await start();
    broker.faults.add({ code: SEND_MESSAGE_V2, times: 2, fault: { kind: 'refuse', code: 2 } });
    broker.faults.add({ code: SEND_MESSAGE_V2, times: 0, fault: { kind: 'refuse', code: 3 } });
    const codes: number[] = [];
    for (let count = 0; count < 4; count += 1) codes.push((await client.invoke(send)).code);
    expect(codes).toEqual([2, 2, 0, 0]);
  });

  it('meet requests of one code, or of one topic, whatever the name of its field', async () => {
    const { broker, client } = await start();
    broker.faults.add({ topic: 'orders', fault: { kind: 'refuse', code: 2 } });
    broker.faults.add({ code: GET_MAX_OFFSET, fault: { kind: 'refuse', code: 14 } });
    expect((await client.invoke(send)).code).toBe(2);
    // The first that fits decides.
    expect((await client.invoke(ask)).code).toBe(2);
    expect((await client.invoke(getMaxOffset.encode({ topic: 'others', queueId: 0 }))).code).toBe(14);
    expect((await client.invoke(sendMessage.encode(sendFields('others'), Buffer.from('x')))).code).toBe(0);
    broker.faults.clear();
    expect((await client.invoke(send)).code).toBe(0);
    expect((await client.invoke(ask)).code).toBe(0);
  });

  it('meet the name server too', async () => {
    const { broker } = await start();
    broker.faults.add({ code: RequestCode.GET_ROUTEINFO_BY_TOPIC, times: 1, fault: { kind: 'refuse', code: 1 } });
    const client = await connectEngine(broker.nameServer);
    const route = { code: RequestCode.GET_ROUTEINFO_BY_TOPIC, extFields: { topic: 'nothing' } };
    expect((await client.invoke(route)).code).toBe(1);
    expect((await client.invoke(route)).code).toBe(17);
  });
});
