import { expect, test } from 'vitest';
import { encodeClientConfig } from '../../../src/remoting/requests/check-client-config.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

test('CHECK_CLIENT_CONFIG takes what the engine can filter by, and says what is wrong with the rest', async () => {
  const broker = await startTestEngine();
  const client = await connectEngine(broker.brokerAddress);
  const check = (expressionType: string, expression: string) => {
    const subscription = { topic: 'T', expression, expressionType, version: 1 };
    return client.invoke(encodeClientConfig({ clientId: 'c', group: 'g', subscription }));
  };
  for (const [type, expression] of [
    ['SQL92', 'a > 5 AND b IS NOT NULL'],
    ['TAG', 'a || b'],
    ['', '*'],
  ] as const) {
    expect((await check(type, expression)).code).toBe(0);
  }
  expect((await client.invoke(encodeClientConfig({ clientId: 'c', group: 'g', subscription: undefined }))).code).toBe(
    0,
  );
  expect(await check('SQL92', 'a >')).toMatchObject({ code: 23, remark: expect.stringContaining('expression') });
  expect(await check('GROOVY', 'a')).toMatchObject({ code: 23, remark: expect.stringContaining('GROOVY') });
});
