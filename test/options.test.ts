import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OptionsExit, optionsTable, readOptions } from '../src/options.ts';

function exitOf(argv: readonly string[], environment: NodeJS.ProcessEnv = {}): OptionsExit {
  try {
    readOptions(argv, environment);
  } catch (error) {
    if (error instanceof OptionsExit) return error;
    throw error;
  }
  throw new Error('the options were taken');
}

const defaults = {
  host: '127.0.0.1',
  grpcPort: 50_051,
  httpPort: 8080,
  endpoint: undefined,
  embedded: 'auto',
  remotingHost: '127.0.0.1',
  remotingPort: 9876,
  brokerPort: 0,
  dataDir: './data',
  flush: 'async',
  retentionMs: 259_200_000,
  retentionMegabytes: 1024,
  remotingKeys: undefined,
  accessKeyId: '',
  accessKeySecret: '',
  instanceId: '',
  instanceNamespace: 'auto',
  vendor: 'auto',
  brokerTls: false,
  brokerTlsCaFile: undefined,
  brokerTlsCertFile: undefined,
  brokerTlsKeyFile: undefined,
  logLevel: 'info',
  workers: 1,
  peerHost: undefined,
  sealKey: undefined,
  sealKeyFile: undefined,
  allowedEndpoints: undefined,
  allowedBrokers: undefined,
  tlsCertFile: undefined,
  tlsKeyFile: undefined,
  tlsClientCaFile: undefined,
  tokensFile: undefined,
  corsOrigins: [],
  maxConcurrent: 1000,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 1000,
  abuserRefusalMs: 60_000,
  clientCallsMax: 4000,
  clientStreamsMax: 20_000,
  clientCallsPerSecond: 0,
  messageBufferSize: 1000,
  unreadMegabytes: 64,
  requestMegabytes: 128,
  sendGroupMax: 32,
  http2Engine: 'own',
  producerCleanupTimeoutMs: 30_000,
  consumerCleanupTimeoutMs: 30_000,
  readTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
  pullTimeoutMs: 5000,
  consumeMode: 'auto',
  invisibleDurationMs: 30_000,
  renewalDurationMs: 0,
  keepaliveIntervalMs: 10_000,
  keepaliveTimeoutMs: 20_000,
  connectionAgeMsMax: 0,
  drainTimeoutMs: 10_000,
  enableMetrics: true,
  ignored: [],
};

describe('readOptions', () => {
  it('is complete without any setting, and read-only', () => {
    const options = readOptions([], {});
    expect(options).toEqual(defaults);
    expect(Object.isFrozen(options)).toBe(true);
  });

  it('takes the settings of the replaced product under their names', () => {
    const environment = {
      GRPC_PORT: '50052',
      METRICS_PORT: '0',
      ROCKETMQ_ENDPOINT: 'http://mq:9876',
      ROCKETMQ_ACCESS_KEY_ID: 'id',
      ROCKETMQ_ACCESS_KEY_SECRET: 'secret',
      ROCKETMQ_INSTANCE_ID: 'MQ_INST_1',
      ROCKETMQ_LOG_LEVEL: 'WARN',
      MAX_CONCURRENT: '500',
      MESSAGE_BUFFER_SIZE: '64',
      PRODUCER_CLEANUP_TIMEOUT: '1m',
      CONSUMER_CLEANUP_TIMEOUT: '1m30s',
      READ_TIMEOUT: '45s',
      WRITE_TIMEOUT: '100ms',
      PULL_TIMEOUT: '1s',
      ENABLE_METRICS: 'false',
    };
    expect(readOptions([], environment)).toEqual({
      ...defaults,
      grpcPort: 50_052,
      httpPort: 0,
      endpoint: 'http://mq:9876',
      accessKeyId: 'id',
      accessKeySecret: 'secret',
      instanceId: 'MQ_INST_1',
      logLevel: 'warn',
      maxConcurrent: 500,
      messageBufferSize: 64,
      producerCleanupTimeoutMs: 60_000,
      consumerCleanupTimeoutMs: 90_000,
      readTimeoutMs: 45_000,
      writeTimeoutMs: 100,
      pullTimeoutMs: 1000,
      enableMetrics: false,
    });
  });

  it('takes the settings of the embedded engine', () => {
    const environment = {
      PROXY_EMBEDDED: 'ON',
      PROXY_REMOTING_HOST: '0.0.0.0',
      PROXY_REMOTING_PORT: '0',
      PROXY_BROKER_PORT: '10911',
      PROXY_DATA_DIR: 'memory',
      PROXY_FLUSH: 'sync',
      PROXY_RETENTION: '1h',
      PROXY_RETENTION_MB: '16',
      PROXY_REMOTING_KEYS: 'key:secret',
    };
    const expected = {
      ...defaults,
      embedded: 'on',
      remotingHost: '0.0.0.0',
      remotingPort: 0,
      brokerPort: 10_911,
      dataDir: 'memory',
      flush: 'sync',
      retentionMs: 3_600_000,
      retentionMegabytes: 16,
    };
    expect(readOptions([], environment)).toEqual({ ...expected, remotingKeys: 'key:secret' });
    const { PROXY_EMBEDDED, PROXY_REMOTING_KEYS, ...others } = environment;
    const flags = Object.entries(others).map(([name, value]) => {
      const flag = name.replace('PROXY_', '').toLowerCase().replaceAll('_', '-');
      return `--${flag}=${value}`;
    });
    expect([PROXY_EMBEDDED, PROXY_REMOTING_KEYS]).toEqual(['ON', 'key:secret']);
    expect(readOptions(['--embedded', ...flags], {})).toEqual(expected);
  });

  it.each<[string[], string | undefined, string]>([
    [[], undefined, 'auto'],
    [[], '', 'auto'],
    [[], 'off', 'off'],
    [['--embedded'], undefined, 'on'],
    [['--no-embedded'], undefined, 'off'],
    [['--embedded'], 'off', 'on'],
    [['--no-embedded'], 'on', 'off'],
    [['--no-embedded', '--embedded'], undefined, 'on'],
    [['--embedded', '--no-embedded'], undefined, 'off'],
  ])('takes %j with PROXY_EMBEDDED=%s for %s', (argv, variable, expected) => {
    expect(readOptions(argv, { PROXY_EMBEDDED: variable }).embedded).toBe(expected);
  });

  it('lets a flag win over its variable', () => {
    const environment = { PROXY_HOST: '::1', GRPC_PORT: '1', PROXY_VENDOR: 'aliyun' };
    const options = readOptions(['--host', '0.0.0.0', '--grpc-port=2'], environment);
    expect(options).toMatchObject({ host: '0.0.0.0', grpcPort: 2, vendor: 'aliyun' });
  });

  it('takes an empty value for none, of variables and of flags', () => {
    const environment = {
      GRPC_PORT: '',
      ROCKETMQ_ENDPOINT: '',
      PROXY_SEAL_KEY: '',
      PULL_TIMEOUT: '',
      PROXY_HOST: '::1',
    };
    expect(readOptions(['--host', ''], environment)).toEqual({ ...defaults, host: '::1' });
  });

  it('reads the environment that it is handed, not the one of the process', () => {
    process.env['PROXY_VENDOR'] = 'volcengine';
    try {
      expect(readOptions([], {}).vendor).toBe('auto');
    } finally {
      delete process.env['PROXY_VENDOR'];
    }
  });

  it('names what is set without effect', () => {
    const environment = { WORKER_POOL_SIZE: '20', BATCH_SIZE: 'nonsense', FLUSH_INTERVAL: '', PULL_INTERVAL: '100ms' };
    expect(readOptions([], environment).ignored).toEqual(['WORKER_POOL_SIZE', 'BATCH_SIZE', 'PULL_INTERVAL']);
  });

  it.each<[string[], NodeJS.ProcessEnv, string]>([
    [['--grpc-port', '70000'], {}, '--grpc-port: "70000" is not allowed. It must be a whole number from 0 to 65535.'],
    [[], { GRPC_PORT: 'http' }, 'GRPC_PORT: "http" is not allowed. It must be a whole number from 0 to 65535.'],
    [[], { PULL_TIMEOUT: '5001ms' }, 'PULL_TIMEOUT: "5001ms" is not allowed. It must be a duration'],
    [['--invisible-duration', '13h'], {}, '--invisible-duration: "13h" is not allowed. It must be a duration'],
    [[], { PROXY_INVISIBLE_DURATION: '999ms' }, 'from 1s to 12h'],
    [[], { READ_TIMEOUT: '30' }, 'READ_TIMEOUT: "30" is not allowed. It must be a duration such as 30s'],
    [['--vendor', 'x'], {}, '--vendor: "x" is not allowed. It must be one of auto, apache, aliyun, volcengine.'],
    [[], { ENABLE_METRICS: 'no' }, 'ENABLE_METRICS: "no" is not allowed. It must be true or false.'],
    [[], { PROXY_EMBEDDED: 'yes' }, 'PROXY_EMBEDDED: "yes" is not allowed. It must be one of auto, on, off.'],
    [['--embedded=on'], {}, 'error'],
    [['--remoting-port', '65536'], {}, '--remoting-port: "65536" is not allowed'],
    [[], { PROXY_FLUSH: 'never' }, 'PROXY_FLUSH: "never" is not allowed. It must be one of async, sync.'],
    [[], { PROXY_RETENTION: '999ms' }, 'from 1s to 8760h'],
    [[], { PROXY_RETENTION_MB: '15' }, 'a whole number from 16 to 1048576'],
    [['--remoting-keys', 'a:b'], {}, 'unknown option'],
    [['--endpiont', 'mq'], {}, '--endpoint'],
    [['--access-key-secret', 'x'], {}, 'unknown option'],
    [['--host'], {}, 'argument missing'],
    [['mq:9876'], {}, 'too many arguments'],
  ])('ends with code 2 for %j %j', (argv, environment, expected) => {
    const { exitCode, message } = exitOf(argv, environment);
    expect(exitCode).toBe(2);
    expect(message).toContain(expected);
    expect(message).not.toMatch(/^\s+at /m);
  });

  it('repeats neither a secret nor more than 100 characters of a value', () => {
    const long = 'canary'.repeat(2000);
    for (const name of ['ROCKETMQ_ACCESS_KEY_SECRET', 'PROXY_SEAL_KEY', 'PROXY_REMOTING_KEYS']) {
      const { message } = exitOf([], { [name]: long });
      expect(message).toContain(`${name}: its value is not allowed`);
      expect(message).not.toContain('canary');
    }
    expect(exitOf(['--host', long]).message.length).toBeLessThan(300);
  });

  it('has a help that names every setting, and a version', () => {
    const help = exitOf(['--help']);
    const variables = optionsTable().match(/(?<=^\| `)\w+/gm) ?? [];
    expect(help.exitCode).toBe(0);
    expect(variables).toHaveLength(Object.keys(defaults).length - 1);
    for (const variable of variables) expect(help.message).toContain(variable);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(exitOf(['--version'])).toMatchObject({ exitCode: 0, message: version });
  });
});

describe('optionsTable', () => {
  it('stands in the README as it is', () => {
    const readme = readFileSync('README.md', 'utf8');
    const [, table] = /<!-- options -->\n(.*)\n<!-- \/options -->/s.exec(readme) ?? [];
    expect(table).toBe(optionsTable());
  });

  it('has five columns in every row', () => {
    for (const row of optionsTable().split('\n')) expect(row.match(/\|/g)).toHaveLength(6);
  });
});
