import { describe, expect, test } from 'vitest';
import { checkConfig, proxiesMax } from '../../src/sdk/mq-config.ts';

describe('grpcEndpoint', () => {
  test.each([
    [undefined, ['localhost:50051']],
    ['proxy:1', ['proxy:1']],
    ['http://proxy:1/', ['proxy:1']],
    ['a:1, b:2,a:1', ['a:1', 'b:2']],
    [
      ['a:1', '[::1]:2'],
      ['a:1', '[::1]:2'],
    ],
  ])('%j names %j', (grpcEndpoint, proxies) => {
    expect(checkConfig({ grpcEndpoint })).toMatchObject({ proxies, tls: undefined });
  });

  test('https:// means TLS', () => {
    expect(checkConfig({ grpcEndpoint: 'https://a:1,https://b:2' }).tls).toEqual({});
  });

  test.each(['proxy', 'a:1;b:2', 'a:x', ',', 'https://a:1,b:2'])('%j is refused', (grpcEndpoint) => {
    expect(() => checkConfig({ grpcEndpoint })).toThrow(/grpcEndpoint/);
  });

  test('names so many and no more', () => {
    const proxies = Array.from({ length: proxiesMax + 1 }, (_, index) => `proxy:${index + 1}`);
    expect(checkConfig({ grpcEndpoint: proxies.slice(1) }).proxies).toHaveLength(proxiesMax);
    expect(() => checkConfig({ grpcEndpoint: proxies })).toThrow(/names 65 proxies; it may name 1 to 64/);
  });
});

test.each([
  [{ timeoutMs: 0 }, /timeoutMs is 0/],
  [{ timeoutMs: 2 ** 31 }, /timeoutMs is 2147483648/],
  [{ tls: { cert: 'pem' } }, /only one of cert and key/],
  [{ direct: true }, /endpoint is empty/],
])('%j is refused', (config, text) => {
  expect(() => checkConfig(config)).toThrow(expect.objectContaining({ message: expect.stringMatching(text) }));
});

test('the longest time is taken', () => {
  expect(checkConfig({ timeoutMs: 2 ** 31 - 1 }).timeoutMs).toBe(2 ** 31 - 1);
});
