import { expect, test } from 'vitest';
import { unregisterClient } from '../../../src/remoting/requests/unregister-client.ts';

test('UNREGISTER_CLIENT has the code and the fields that Java writes', () => {
  const content = unregisterClient.encode({ clientId: 'c@1', producerGroup: 'pg', consumerGroup: 'g' });
  expect(content).toEqual({ code: 35, extFields: { clientID: 'c@1', consumerGroup: 'g', producerGroup: 'pg' } });
});
