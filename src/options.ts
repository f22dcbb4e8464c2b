import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { choice, duration, integer, onOff, optionalText, type Setting, text } from './option-kinds.ts';

/** Every setting: its name inside, its environment variable, its flag, its default and bounds, and what it does. */
const settings = {
  host: text({
    env: 'PROXY_HOST',
    flag: 'host',
    fallback: '127.0.0.1',
    allowed: 'an address of this machine or a name of it; 0.0.0.0 or :: for all',
    about: 'Address that both ports listen on.',
  }),
  grpcPort: integer({
    env: 'GRPC_PORT',
    flag: 'grpc-port',
    fallback: '50051',
    min: 0,
    max: 65_535,
    about: 'Port for gRPC, gRPC-web and Connect; 0 takes any free one.',
  }),
  httpPort: integer({
    env: 'METRICS_PORT',
    flag: 'http-port',
    fallback: '8080',
    min: 0,
    max: 65_535,
    about: 'Port for `/metrics`, `/health`, `/livez` and `/readyz`; 0 takes any free one.',
  }),
  endpoint: optionalText({
    env: 'ROCKETMQ_ENDPOINT',
    flag: 'endpoint',
    allowed: 'name servers as `host:9876[;host:9876]`',
    about: 'Name servers for calls that leave their endpoint empty. Unset: the embedded engine.',
  }),
  embedded: choice({
    env: 'PROXY_EMBEDDED',
    flag: 'embedded',
    switch: { on: 'on', off: 'off' },
    fallback: 'auto',
    words: ['auto', 'on', 'off'],
    about: 'Whether the embedded engine is started; `auto`: where no endpoint is set.',
  }),
  remotingHost: text({
    env: 'PROXY_REMOTING_HOST',
    flag: 'remoting-host',
    fallback: '127.0.0.1',
    allowed: 'an address of this machine or a name of it; 0.0.0.0 or :: for all',
    about: 'Address that the embedded engine listens on. It asks nobody for a password unless it has access keys.',
  }),
  remotingPort: integer({
    env: 'PROXY_REMOTING_PORT',
    flag: 'remoting-port',
    fallback: '9876',
    min: 0,
    max: 65_535,
    about: 'Port of the embedded name server; 0 takes any free one.',
  }),
  brokerPort: integer({
    env: 'PROXY_BROKER_PORT',
    flag: 'broker-port',
    fallback: '0',
    min: 0,
    max: 65_535,
    about: 'Port of the embedded broker, which clients learn from the name server; 0 takes any free one.',
  }),
  dataDir: text({
    env: 'PROXY_DATA_DIR',
    flag: 'data-dir',
    fallback: './data',
    allowed: 'a folder, or `memory` for nothing on disk',
    about: 'Where the embedded engine keeps its messages, and the proxy the seal key that it makes when none is set.',
  }),
  flush: choice({
    env: 'PROXY_FLUSH',
    flag: 'flush',
    fallback: 'async',
    words: ['async', 'sync'],
    about:
      'When the embedded engine answers a send: `async` when it is written, which outlives a crash of the process, and of the machine after 500 ms; `sync` when it is on the disk.',
  }),
  retentionMs: duration({
    env: 'PROXY_RETENTION',
    flag: 'retention',
    fallback: '72h',
    min: '1s',
    max: '8760h',
    about: 'How long the embedded engine keeps messages.',
  }),
  retentionMegabytes: integer({
    env: 'PROXY_RETENTION_MB',
    flag: 'retention-mb',
    fallback: '1024',
    min: 16,
    max: 1_048_576,
    about: 'MiB of messages that the embedded engine keeps; the oldest go first. In memory: 256 at most.',
  }),
  remotingKeys: optionalText({
    env: 'PROXY_REMOTING_KEYS',
    allowed: '`accessKey:secretKey`, several separated by commas',
    secret: true,
    about: 'Access keys of the embedded engine; where there are some, it serves only clients that sign with one.',
  }),
  accessKeyId: text({
    env: 'ROCKETMQ_ACCESS_KEY_ID',
    fallback: '',
    allowed: 'any text',
    about: 'Access key id for calls that leave theirs empty.',
  }),
  accessKeySecret: text({
    env: 'ROCKETMQ_ACCESS_KEY_SECRET',
    fallback: '',
    allowed: 'any text',
    secret: true,
    about:
      'Access key secret for calls that leave theirs empty; not a flag, because every user of the machine can read those.',
  }),
  instanceId: text({
    env: 'ROCKETMQ_INSTANCE_ID',
    fallback: '',
    allowed: 'any text',
    about: 'Instance id for calls that leave theirs empty.',
  }),
  instanceNamespace: choice({
    env: 'PROXY_INSTANCE_NAMESPACE',
    flag: 'instance-namespace',
    fallback: 'auto',
    words: ['auto', 'always', 'never'],
    about: 'Whether the instance id is a namespace for topics and groups; `auto`: where it starts with `MQ_INST_`.',
  }),
  vendor: choice({
    env: 'PROXY_VENDOR',
    flag: 'vendor',
    fallback: 'auto',
    words: ['auto', 'apache', 'aliyun', 'volcengine'],
    about: 'Whose brokers these are; `auto`: seen from the endpoint.',
  }),
  logLevel: choice({
    env: 'ROCKETMQ_LOG_LEVEL',
    fallback: 'info',
    words: ['debug', 'info', 'warn', 'error', 'silent'],
    about: 'Least level that is logged.',
  }),
  sealKey: optionalText({
    env: 'PROXY_SEAL_KEY',
    allowed: '32 bytes as hex or base64; several keys separated by commas',
    secret: true,
    about: 'Key that seals ids and receipt handles, the same for all instances; the first seals, all of them open.',
  }),
  sealKeyFile: optionalText({
    env: 'PROXY_SEAL_KEY_FILE',
    allowed: 'a file with one key per line',
    about: 'The same from a file. With neither set, a key is made and kept in the data directory.',
  }),
  allowedEndpoints: optionalText({
    env: 'PROXY_ALLOWED_ENDPOINTS',
    allowed: '`host`, `host:port`, `*.suffix`, address ranges such as `10.0.0.0/8`, separated by commas; or `*`',
    about: 'Endpoints that clients may name. Must be set when `PROXY_HOST` is not a loopback address.',
  }),
  allowedBrokers: optionalText({
    env: 'PROXY_ALLOWED_BROKERS',
    allowed: 'as `PROXY_ALLOWED_ENDPOINTS`',
    about: 'Addresses that name servers may send us to; unset: the hosts of the allowed endpoints.',
  }),
  maxConcurrent: integer({
    env: 'MAX_CONCURRENT',
    fallback: '1000',
    min: 1,
    max: 100_000,
    about: 'Most calls at a time on one connection.',
  }),
  maxConnections: integer({
    env: 'PROXY_MAX_CONNECTIONS',
    fallback: '10000',
    min: 1,
    max: 1_000_000,
    about: 'Most client connections at a time; more are closed at once.',
  }),
  messageBufferSize: integer({
    env: 'MESSAGE_BUFFER_SIZE',
    fallback: '1000',
    min: 1,
    max: 100_000,
    about: 'Most messages that one receiver may have without an ack.',
  }),
  producerCleanupTimeoutMs: duration({
    env: 'PRODUCER_CLEANUP_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '24h',
    about: 'How long an unused producer keeps its place here; its id stays valid.',
  }),
  consumerCleanupTimeoutMs: duration({
    env: 'CONSUMER_CLEANUP_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '24h',
    about: 'How long an unused consumer keeps its place here; its id stays valid.',
  }),
  readTimeoutMs: duration({
    env: 'READ_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '1h',
    about: 'Longest a client may take to send one request whole.',
  }),
  writeTimeoutMs: duration({
    env: 'WRITE_TIMEOUT',
    fallback: '30s',
    min: '100ms',
    max: '1h',
    about: 'Longest a send or an ack may take where the client sets no shorter deadline.',
  }),
  pullTimeoutMs: duration({
    env: 'PULL_TIMEOUT',
    fallback: '5s',
    min: '100ms',
    max: '5s',
    about:
      'How long a broker holds a poll that finds nothing; no longer, because it does not wake one for a retried message.',
  }),
  invisibleDurationMs: duration({
    env: 'PROXY_INVISIBLE_DURATION',
    flag: 'invisible-duration',
    fallback: '30s',
    min: '1s',
    max: '12h',
    about: 'Time that a receiver has for its ack before the message is delivered again.',
  }),
  renewalDurationMs: duration({
    env: 'PROXY_RENEWAL_DURATION',
    flag: 'renewal-duration',
    fallback: '0s',
    min: '0s',
    max: '12h',
    about: 'While its stream lives, a message without an ack stays invisible up to this long in all; 0s: not renewed.',
  }),
  keepaliveIntervalMs: duration({
    env: 'PROXY_KEEPALIVE_INTERVAL',
    fallback: '10s',
    min: '1s',
    max: '1h',
    about: 'How often each HTTP/2 connection is asked for a sign of life.',
  }),
  keepaliveTimeoutMs: duration({
    env: 'PROXY_KEEPALIVE_TIMEOUT',
    fallback: '20s',
    min: '1s',
    max: '1h',
    about: 'How long the answer may take before the connection is closed.',
  }),
  drainTimeoutMs: duration({
    env: 'PROXY_DRAIN_TIMEOUT',
    fallback: '10s',
    min: '0s',
    max: '1h',
    about: 'How long calls in progress may go on after SIGTERM.',
  }),
  enableMetrics: onOff({
    env: 'ENABLE_METRICS',
    fallback: 'true',
    about: 'Whether `/metrics` is served.',
  }),
} as const satisfies Record<string, Setting<unknown>>;

type Settings = typeof settings;
type Value<S> = S extends Setting<infer T> ? T : never;

/** All settings, complete and checked. Durations are in milliseconds (`…Ms`); `undefined` means unset. */
export type ServerOptions = { readonly [Name in keyof Settings]: Value<Settings[Name]> } & {
  /** Variables of the replaced product that are set and have no effect here. */
  readonly ignored: readonly string[];
};

/** Settings of the replaced product for which there is nothing to set here. */
const withoutEffect: readonly string[] = [
  'WORKER_POOL_SIZE',
  'PRODUCER_POOL_SIZE',
  'CONSUMER_POOL_SIZE',
  'BATCH_SIZE',
  'FLUSH_INTERVAL',
  'PULL_INTERVAL',
];

/** The program is to end now: `message` is for its standard output when `exitCode` is 0 (help, version), else for standard error. */
export class OptionsExit extends Error {
  readonly exitCode: 0 | 2;

  constructor(exitCode: 0 | 2, message: string) {
    super(message);
    this.name = 'OptionsExit';
    this.exitCode = exitCode;
  }
}

/**
 * Settings from flags and environment; a flag wins. An empty value counts as unset.
 * @param argv arguments after the script's name.
 * @throws OptionsExit for `--help` and `--version` (code 0) and for anything that is not allowed (code 2).
 */
export function readOptions(argv: readonly string[], environment: NodeJS.ProcessEnv): ServerOptions {
  const flags = parseFlags(argv);
  const values = Object.entries<Setting<unknown>>(settings).map(([name, setting]) => [
    name,
    readSetting(setting, flags.get(setting.env), environment[setting.env]),
  ]);
  const ignored = withoutEffect.filter((name) => (environment[name] ?? '') !== '');
  // The entries are the table's own, each parsed by its own kind; the compiler cannot see that through Object.fromEntries.
  return Object.freeze({ ...Object.fromEntries(values), ignored }) as ServerOptions;
}

/** The options table of the README, in Markdown. */
export function optionsTable(): string {
  const rows = Object.values<Setting<unknown>>(settings).map((setting) => {
    const flag = flagText(setting);
    const fallback = (setting.fallback ?? '') === '' ? '' : `\`${setting.fallback}\``;
    return `| \`${setting.env}\` | ${flag} | ${fallback} | ${setting.about} | ${setting.allowed} |`;
  });
  return ['| Variable | Flag | Default | What it does | Allowed |', '|---|---|---|---|---|', ...rows].join('\n');
}

function readSetting(setting: Setting<unknown>, flag: string | undefined, variable: string | undefined): unknown {
  const fromFlag = flag !== undefined && flag !== '';
  const given = fromFlag ? flag : variable;
  if (given === undefined || given === '') {
    return setting.fallback === undefined ? undefined : setting.parse(setting.fallback);
  }
  const value = setting.parse(given.trim());
  if (value !== undefined) return value;
  const where = fromFlag ? `--${setting.flag}` : setting.env;
  const what = setting.secret === true ? 'its value' : `${JSON.stringify(given.slice(0, 100))}`;
  throw new OptionsExit(2, `${where}: ${what} is not allowed. It must be ${setting.allowed.replaceAll('`', '')}.`);
}

function flagText({ flag, switch: words }: Setting<unknown>): string {
  if (flag === undefined) return '';
  return words === undefined ? `\`--${flag}\`` : `\`--${flag}\`, \`--no-${flag}\``;
}

/** Flags that are given, by environment variable. */
function parseFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  let output = '';
  const write = (chunk: string): void => {
    output += chunk;
  };
  const program = describeProgram().exitOverride().configureOutput({ writeOut: write, writeErr: write });
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new OptionsExit(error.exitCode === 0 ? 0 : 2, output.trimEnd());
  }
  const given = new Map<string, string>();
  for (const setting of Object.values<Setting<unknown>>(settings)) {
    if (setting.flag === undefined) continue;
    const name = new Option(`--${setting.flag}`).attributeName();
    // Commander fills in defaults; what counts here is what was given.
    if (program.getOptionValueSource(name) !== 'cli') continue;
    const value: unknown = program.getOptionValue(name);
    const { switch: words } = setting;
    if (words !== undefined) given.set(setting.env, value === true ? words.on : words.off);
    else if (typeof value === 'string') given.set(setting.env, value);
  }
  return given;
}

function describeProgram(): Command {
  const program = new Command('rocketmq-grpc-proxy')
    .description('gRPC, gRPC-web and Connect in front of Apache RocketMQ.')
    .version(packageVersion())
    .helpOption('-h, --help', 'Show this help.');
  const variables: string[] = [];
  for (const setting of Object.values<Setting<unknown>>(settings)) {
    const { flag, fallback } = setting;
    // The sentences are written for Markdown.
    const about = setting.about.replaceAll('`', '');
    if (setting.switch !== undefined) {
      program
        .addOption(new Option(`--${flag}`, `${about} Variable: ${setting.env}.`))
        .addOption(new Option(`--no-${flag}`));
    } else if (flag === undefined) {
      variables.push(`  ${setting.env}${(fallback ?? '') === '' ? '' : `=${fallback}`}\n      ${about}`);
    } else {
      const option = new Option(`--${flag} <value>`, about).env(setting.env);
      program.addOption(fallback === undefined ? option : option.default(fallback));
    }
  }
  return program.addHelpText('after', `\nEnvironment only, with their defaults:\n${variables.join('\n')}`);
}

function packageVersion(): string {
  // Beside both `src` and `dist`.
  const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const hasVersion = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return hasVersion ? String(parsed.version) : 'unknown';
}
