import { describe, expect, test } from 'vitest';
import { checkOptions, type RocketMQClientOptions } from '../../../src/client/api/client-options.ts';

const nameServers = '127.0.0.1:9876';

describe('checkOptions', () => {
  test('fills in what the text says', () => {
    const { cluster, namespace, timeoutMs } = checkOptions({ nameServers });
    expect(namespace).toBe('');
    expect(timeoutMs).toBe(10_000);
    expect(cluster).toMatchObject({
      nameServers: [nameServers],
      vendor: 'apache',
      producerGroup: 'rocketmq-client',
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 3_000,
      sendAttemptsMax: 3,
      sendsInFlightMax: 512,
      sendsWaitingMax: 16_384,
      bodyBytesMax: 4_194_304,
    });
    expect([cluster.tls, cluster.credentials]).toEqual([undefined, undefined]);
  });

  test('says how to compress, how large the parts of batches are, and whose messages they are', () => {
    const changed = checkOptions({ nameServers, namespace: 'ns', compression: { type: 'lz4' }, batchCountMax: 2 });
    expect(changed.cluster).toMatchObject({
      namespace: 'ns',
      compression: { type: 'lz4', overBytes: 4_096 },
      batchBytesMax: 1_048_576,
      batchCountMax: 2,
    });
    const { compression } = checkOptions({ nameServers }).cluster;
    expect(compression).toEqual({ type: 'zlib', overBytes: 4_096 });
    expect(() => checkOptions({ nameServers, compression: { overBytes: -1 } })).toThrow('compression.overBytes');
    // @ts-expect-error: what JavaScript may give.
    expect(() => checkOptions({ nameServers, compression: { type: 'gzip' } })).toThrow('zlib, lz4, zstd or none');
  });

  test.each<[string | readonly string[], string[]]>([
    ['a:1;b:2', ['a:1', 'b:2']],
    [
      ['a:1', 'http://b'],
      ['a:1', 'b:9876'],
    ],
    ['a, a:9876', ['a:9876']],
  ])('reads name servers %j', (given, expected) => {
    expect(checkOptions({ nameServers: given }).cluster.nameServers).toEqual(expected);
  });

  test('guesses the vendor, puts the group into the namespace, and hands the rest on', () => {
    const credentials = { accessKey: 'ak', secretKey: 'sk', securityToken: 'token' };
    const given = {
      nameServers: 'x.aliyuncs.com:8080',
      namespace: 'MQ_INST_1',
      producerGroup: 'g',
      tls: true,
      credentials,
    };
    expect(checkOptions(given).cluster).toMatchObject({
      vendor: 'aliyun',
      producerGroup: 'MQ_INST_1%g',
      tls: {},
      credentials,
    });
    const tls = { ca: 'pem', servername: 'mq.example.org' };
    expect(checkOptions({ nameServers, tls, vendor: 'volcengine' }).cluster).toMatchObject({
      vendor: 'volcengine',
      tls,
    });
    expect(checkOptions({ nameServers, tls: false }).cluster.tls).toBeUndefined();
  });

  test.each<Partial<RocketMQClientOptions>>([
    { nameServers: '' },
    { nameServers: [] },
    { nameServers: 'a b:x' },
    { nameServers: Array.from({ length: 17 }, (_, index) => `a${index}`) },
    { namespace: 'a%b' },
    { producerGroup: 'a b' },
    { timeoutMs: 0 },
    { timeoutMs: 2 ** 31 },
    { requestTimeoutMs: 0.5 },
    { connectTimeoutMs: -1 },
    { sendAttemptsMax: 17 },
    { sendsInFlightMax: 65_537 },
    { sendsWaitingMax: -1 },
    { bodyBytesMax: 16_646_145 },
  ])('refuses %j', (change) => {
    expect(() => checkOptions({ nameServers, ...change })).toThrow(
      expect.objectContaining({ name: 'RocketMQError', code: 'INVALID_ARGUMENT' }),
    );
  });

  test('takes what is just allowed', () => {
    checkOptions({
      nameServers: Array.from({ length: 16 }, (_, index) => `a${index}`),
      timeoutMs: 2 ** 31 - 1,
      sendAttemptsMax: 16,
      sendsInFlightMax: 65_536,
      sendsWaitingMax: 0,
      bodyBytesMax: 16_646_144,
    });
  });

  test('says what is missing where types were ignored', () => {
    expect(() => checkOptions(JSON.parse('{}'))).toThrow(/nameServers is missing/);
  });
});
