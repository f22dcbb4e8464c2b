import { expect, test } from 'vitest';
import { decodeClientConfig, encodeClientConfig } from '../../../src/remoting/requests/check-client-config.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `CheckClientRequestBody.encode()` writes. */
const javaBody =
  '{"clientId":"c","group":"g","subscriptionData":{"classFilterMode":false,"codeSet":[],"expressionType":"SQL92",' +
  '"subString":"a > 1","subVersion":1700000000123,"tagsSet":[],"topic":"T"}}';
const config = {
  clientId: 'c',
  group: 'g',
  subscription: { topic: 'T', expression: 'a > 1', expressionType: 'SQL92', version: 1_700_000_000_123 },
};

test('says what Java says, and reads it', () => {
  const { code, body } = encodeClientConfig(config);
  expect([code, JSON.parse(Buffer.from(body ?? []).toString())]).toMatchObject([
    46,
    { clientId: 'c', group: 'g', subscriptionData: { expressionType: 'SQL92', subString: 'a > 1', topic: 'T' } },
  ]);
  expect(decodeClientConfig({ ...blankCommand, body: Buffer.from(javaBody) })).toEqual(config);
});

test('may have no subscription', () => {
  const { body } = encodeClientConfig({ ...config, subscription: undefined });
  expect(decodeClientConfig({ ...blankCommand, body: Buffer.from(body ?? []) }).subscription).toBeUndefined();
});
