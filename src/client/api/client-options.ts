import { canCompress } from '../../remoting/compression.ts';
import type { TlsOptions } from '../../remoting/dial.ts';
import type { Credentials } from '../../remoting/signature.ts';
import { addressesMax, parseNameServers, type ServerAddress } from '../cluster/addresses.ts';
import type { CredentialsProvider } from '../cluster/credentials.ts';
import { instanceOfEndpoint } from '../cluster/instance-endpoint.ts';
import { vendorOf } from '../cluster/vendor.ts';
import {
  type ClientLog,
  type ClientOptions,
  type CompressionOptions,
  clientDefaults,
  type TraceOptions,
  type Vendor,
} from '../options.ts';
import { openTelemetry } from '../telemetry/open-telemetry.ts';
import type { OtelApi } from '../telemetry/otel-api.ts';
import { checkNumber, timeoutMsMax } from './call.ts';
import { checkNamespace, fullGroup, fullTopic } from './names.ts';
import { invalidArgument, toRocketMQError } from './rocketmq-error.ts';

/** Where the client tells what happens: pino's own shape, so that a pino logger can be given as it is. Secrets and bodies are never told. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** All that is known of a cluster and of how to talk to it. Times are in ms, sizes in bytes. */
export interface RocketMQClientOptions {
  /**
   * Name servers: `host:9876;host:9876`, or a list of such texts; up to 16. `http://` before and no port behind are fine (9876 then). One is
   * used until it fails, then the next. May be left out where `nameServerUrl` is given.
   */
  readonly nameServers?: string | readonly string[];
  /**
   * Web address, `http://` or `https://`, that answers a GET with a line of name servers, as Java's clients ask one (`rocketmq.namesrv.domain`):
   * asked for on first use, then every 2 min. `nameServers` are used until it answers. Default: none.
   */
  readonly nameServerUrl?: string;
  /**
   * What requests are signed with: keys, with the security token of temporary ones (STS), or a function that gives them and is asked again
   * 5 min before they end. `onsChannel` is for Alibaba Cloud (`ALIYUN`, `CLOUD`, `ALL`); `ALIYUN` by default there. Default: not signed.
   */
  readonly credentials?: Credentials | CredentialsProvider;
  /**
   * TLS 1.2 or newer to name servers and brokers, certificates verified: `true`, or certificate authorities (`ca`), a client certificate
   * (`cert`, `key`, `passphrase`: mutual TLS) and the name to ask for and verify (`servername`). Default: plain TCP.
   */
  readonly tls?: boolean | TlsOptions;
  /**
   * Stands before the names of topics and groups, `namespace%topic`, and is taken off again. Up to 64 letters, digits, `_`, `-`. Default: the
   * instance that an address of Alibaba Cloud names (`MQ_INST_…`), else none; '' for none in any case.
   */
  readonly namespace?: string;
  /**
   * Whose brokers they are: how messages are delayed and what requests are signed with besides. Default `auto`: by the names of the name
   * servers (`*.aliyuncs.com`, `*.volces.com`); `apache` where they say nothing.
   */
  readonly vendor?: Vendor | 'auto';
  /** Group under which plain producers send. Default: `rocketmq-client`. */
  readonly producerGroup?: string;
  /** Default: nothing is told. */
  readonly logger?: Logger;
  /**
   * Message traces in RocketMQ's own format, for `mqadmin queryMsgTraceById`: who sent a message, and which groups worked on it, with what
   * outcome. `true`: to `RMQ_SYS_TRACE_TOPIC`, which brokers have where `traceTopicEnable=true`; or to a topic of yours. Default: `false`.
   */
  readonly trace?: boolean | { readonly topic: string };
  /** The module `@opentelemetry/api`: spans and metrics go to the SDK that is registered with it. Default: none. */
  readonly openTelemetry?: OtelApi;
  /** Longest time for a call that names none of its own, tries and all. 1 to 2,147,483,647. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Longest wait for one answer; then a send is tried again. 1 to 2,147,483,647. Default: 5,000. */
  readonly requestTimeoutMs?: number;
  /** Requests of this client that may wait for their replies (`Producer.request`) at once; one more fails as `OVERLOADED`. 1 to 1,048,576. Default: 8,192. */
  readonly requestsWaitingMax?: number;
  /** How often brokers hear that the client lives; they forget it after 120 s. 1,000 to 60,000. Default: 30,000. */
  readonly heartbeatIntervalMs?: number;
  /** How often the routes of topics in use are asked for again. 1,000 to 3,600,000. Default: 30,000. */
  readonly routeRefreshIntervalMs?: number;
  /** Longest time for one connection to be made. 1 to 2,147,483,647. Default: 3,000. */
  readonly connectTimeoutMs?: number;
  /** Tries of one send, the first included. 1 to 16. Default: 3. */
  readonly sendAttemptsMax?: number;
  /** Sends to one broker that may wait for its answer at once; more wait their turn. 1 to 65,536. Default: 512. */
  readonly sendsInFlightMax?: number;
  /** Sends that may wait their turn at one broker; one more fails as `OVERLOADED`. 0 to 1,048,576. Default: 16,384. */
  readonly sendsWaitingMax?: number;
  /** Longest body of a message, sent or received, when it is not compressed. 1 to 16,646,144. Default: 4,194,304, which is the brokers' own. */
  readonly bodyBytesMax?: number;
  /**
   * How bodies are compressed: `zlib`, `lz4`, `zstd` (Node 22.15 or newer) or `none`, from `overBytes` on. Clients before 4.9.4 read zlib only.
   * Default: zlib from 4,096 bytes on, as Java does. Batches are not compressed.
   */
  readonly compression?: Partial<CompressionOptions>;
  /** Most bytes of one request of a batch; larger batches go in several. 1 to 16,646,144. Default: 1,048,576. */
  readonly batchBytesMax?: number;
  /** Most messages of one request of a batch. 1 to 32,767. Default: 1,000. */
  readonly batchCountMax?: number;
}

/** Options that are complete and right. */
export interface CheckedOptions {
  readonly cluster: ClientOptions;
  readonly namespace: string;
  readonly timeoutMs: number;
}

const producerGroupDefault = 'rocketmq-client';
const timeoutMsDefault = 10_000;

const bounds = {
  timeoutMs: { min: 1, max: timeoutMsMax },
  requestTimeoutMs: { min: 1, max: timeoutMsMax },
  connectTimeoutMs: { min: 1, max: timeoutMsMax },
  sendAttemptsMax: { min: 1, max: 16 },
  sendsInFlightMax: { min: 1, max: 65_536 },
  sendsWaitingMax: { min: 0, max: 1_048_576 },
  bodyBytesMax: { min: 1, max: 16_646_144 },
  batchBytesMax: { min: 1, max: 16_646_144 },
  batchCountMax: { min: 1, max: 32_767 },
  requestsWaitingMax: { min: 1, max: 1_048_576 },
  heartbeatIntervalMs: { min: 1_000, max: 60_000 },
  routeRefreshIntervalMs: { min: 1_000, max: 3_600_000 },
} as const;

type NumberOption = keyof typeof bounds;

const silent: ClientLog = { debug() {}, info() {}, warn() {}, error() {} };

/** @throws RocketMQError `INVALID_ARGUMENT`, naming the option. */
export function checkOptions(options: RocketMQClientOptions): CheckedOptions {
  const { vendor = 'auto', logger = silent, nameServerUrl } = options;
  const { timeoutMs = timeoutMsDefault, ...numbers } = checkedNumbers(options);
  const given = textOf(options.nameServers);
  checkUrl(nameServerUrl);
  const nameServers = nameServersOf(given, nameServerUrl).map(({ address }) => address);
  const hosts = [...nameServers, nameServerUrl === undefined ? '' : new URL(nameServerUrl).host].join(';');
  const namespace =
    options.namespace ?? instanceOfEndpoint(given ?? '') ?? instanceOfEndpoint(nameServerUrl ?? '') ?? '';
  checkNamespace(namespace);
  return {
    namespace,
    timeoutMs,
    cluster: {
      ...clientDefaults,
      ...numbers,
      nameServers,
      nameServerUrl,
      credentials: checkedCredentials(options.credentials),
      tls: tlsOf(options.tls),
      vendor: vendorOf(hosts, vendor),
      producerGroup: fullGroup(options.producerGroup ?? producerGroupDefault, namespace),
      log: logger,
      trace: traceOf(options.trace, namespace),
      observer: options.openTelemetry === undefined ? undefined : openTelemetry(options.openTelemetry),
      compression: compressionOf(options.compression),
      namespace,
    },
  };
}

/** Those that are given. */
function checkedNumbers(options: RocketMQClientOptions): Partial<Record<NumberOption, number>> {
  const numbers: Partial<Record<NumberOption, number>> = {};
  for (const name of Object.keys(bounds).filter(isNumberOption)) {
    const value = options[name];
    if (value === undefined) continue;
    checkNumber(name, value, bounds[name]);
    numbers[name] = value;
  }
  return numbers;
}

function checkedCredentials(credentials: RocketMQClientOptions['credentials']): RocketMQClientOptions['credentials'] {
  if (credentials === undefined || typeof credentials === 'function') return credentials;
  for (const name of ['accessKey', 'secretKey'] as const) {
    if (typeof credentials[name] !== 'string' || credentials[name] === '')
      throw invalidArgument(`credentials.${name} is missing: give both keys, or leave credentials out`);
  }
  return credentials;
}

function tlsOf(tls: RocketMQClientOptions['tls'] = false): TlsOptions | undefined {
  if (tls === true) return {};
  if (tls === false) return undefined;
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw invalidArgument('tls has only one of cert and key: servers that ask for a certificate want both');
  return tls;
}

function traceOf(trace: RocketMQClientOptions['trace'] = false, namespace: string): TraceOptions | undefined {
  if (trace === false) return undefined;
  return trace === true ? {} : { topic: fullTopic(trace.topic, namespace) };
}

function compressionOf(options: Partial<CompressionOptions> = {}): CompressionOptions {
  const compression = { ...clientDefaults.compression, ...options };
  const { type, overBytes } = compression;
  checkNumber('compression.overBytes', overBytes, { min: 0, max: bounds.bodyBytesMax.max });
  if (!['zlib', 'lz4', 'zstd', 'none'].includes(type)) {
    throw invalidArgument(`compression.type is ${JSON.stringify(type)}; it may be zlib, lz4, zstd or none`);
  }
  if (type === 'none' || canCompress(type)) return compression;
  throw invalidArgument('compression.type is zstd, which Node can write from 22.15 on: update it, or use zlib or lz4');
}

function isNumberOption(name: string): name is NumberOption {
  return name in bounds;
}

/** Undefined where none are named. */
function textOf(nameServers: RocketMQClientOptions['nameServers']): string | undefined {
  return typeof nameServers === 'object' ? nameServers.join(';') : nameServers;
}

function checkUrl(url: string | undefined): void {
  if (url === undefined) return;
  const isWeb = typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (!isWeb) throw invalidArgument('nameServerUrl is no web address: give http://host/path or https://host/path');
}

function nameServersOf(text: string | undefined, url: string | undefined): readonly ServerAddress[] {
  if (text === undefined && url !== undefined) return [];
  if (typeof text !== 'string')
    throw invalidArgument(`nameServers is missing: name them as host:9876[;host:9876], at most ${addressesMax}`);
  try {
    return parseNameServers(text);
  } catch (error) {
    const { message } = toRocketMQError(error);
    throw invalidArgument(`nameServers is malformed: ${message}; expected host:9876[;host:9876]`);
  }
}
