import { expect, test } from 'vitest';
import { decodeConsumerList, getConsumerList } from '../../../src/remoting/requests/get-consumer-list.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

test('GET_CONSUMER_LIST_BY_GROUP names all who are in the group, and says where there is nobody', async () => {
  const broker = await startTestEngine();
  const clients = [await connectEngine(broker.brokerAddress), await connectEngine(broker.brokerAddress)];
  for (const [index, client] of clients.entries()) {
    const consumers = [{ groupName: 'g', subscriptions: [] }];
    await client.invoke(encodeHeartbeat({ clientId: `c${index}`, consumers, producerGroups: ['p'] }));
  }
  const [client] = clients;
  const list = (consumerGroup: string) => client?.invoke(getConsumerList.encode({ consumerGroup }));
  const reply = await list('g');
  expect(reply === undefined ? [] : decodeConsumerList(reply, 'engine').toSorted()).toEqual(['c0', 'c1']);
  for (const nobody of ['p', 'none']) {
    expect(await list(nobody)).toMatchObject({ code: 1, remark: `no consumer for this group, ${nobody}` });
  }
});
