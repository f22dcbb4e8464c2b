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

  test('name servers may be looked up by HTTP alone, and say whose brokers they are', () => {
    const url = 'http://mq.cn-hangzhou.aliyuncs.com:8080/rocketmq/nsaddr';
    const { cluster } = checkOptions({ nameServerUrl: url });
    expect(cluster).toMatchObject({ nameServers: [], nameServerUrl: url, vendor: 'aliyun', namespace: '' });
    expect(checkOptions({ nameServers, nameServerUrl: url }).cluster.nameServers).toEqual([nameServers]);
  });

  test('the instance in an address of Alibaba Cloud is the namespace, unless another is given', () => {
    const address = 'http://MQ_INST_123_abc.cn-hangzhou.mq.aliyuncs.com:80';
    for (const given of [{ nameServers: [address] }, { nameServerUrl: address }]) {
      const { namespace, cluster } = checkOptions(given);
      expect([namespace, cluster.producerGroup]).toEqual(['MQ_INST_123_abc', 'MQ_INST_123_abc%rocketmq-client']);
    }
    expect(checkOptions({ nameServers: address, namespace: 'own' }).namespace).toBe('own');
    expect(checkOptions({ nameServers: address, namespace: '' }).namespace).toBe('');
  });

  test('hands on the extras of vendors, and a function that gives credentials', () => {
    const credentials = { accessKey: 'ak', secretKey: 'sk', securityToken: 'token', onsChannel: 'CLOUD' };
    expect(checkOptions({ nameServers, credentials }).cluster.credentials).toBe(credentials);
    const provider = async () => ({ ...credentials, expiresAtMs: 1 });
    expect(checkOptions({ nameServers, credentials: provider }).cluster.credentials).toBe(provider);
    const tls = { cert: 'pem', key: 'pem', passphrase: 'x' };
    expect(checkOptions({ nameServers, tls }).cluster.tls).toBe(tls);
  });

  test('each number reaches the client, and has bounds', () => {
    const numbers = {
      ...{ requestsWaitingMax: 1, heartbeatIntervalMs: 1_000, routeRefreshIntervalMs: 1_000, batchBytesMax: 1 },
      ...{ requestTimeoutMs: 2, connectTimeoutMs: 3, sendAttemptsMax: 4, sendsInFlightMax: 5, sendsWaitingMax: 6 },
    };
    const checked = checkOptions({ nameServers, ...numbers });
    expect(checked.cluster).toMatchObject(numbers);
    expect('timeoutMs' in checked.cluster).toBe(false);
  });

  test.each<Partial<RocketMQClientOptions>>([
    { requestsWaitingMax: 0 },
    { heartbeatIntervalMs: 999 },
    { heartbeatIntervalMs: 60_001 },
    { routeRefreshIntervalMs: 3_600_001 },
    { nameServerUrl: 'mq.example.org/list' },
    { nameServerUrl: 'ftp://mq.example.org/list' },
    { credentials: { accessKey: 'ak', secretKey: '' } },
    { tls: { cert: 'pem' } },
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
