import { canCompress } from '../../remoting/compression.ts';
import { addressesMax, parseNameServers, type ServerAddress } from '../cluster/addresses.ts';
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
   * used until it fails, then the next.
   */
  readonly nameServers: string | readonly string[];
  /** What requests are signed with: keys, with the security token of temporary ones, or a function that gives them. Default: not signed. */
  readonly credentials?: ClientOptions['credentials'];
  /**
   * TLS to name servers and brokers, certificates verified: `true`, or certificate authorities (`ca`), a client certificate (`cert`, `key`,
   * `passphrase`) and the name to verify (`servername`). Default: plain TCP.
   */
  readonly tls?: boolean | NonNullable<ClientOptions['tls']>;
  /** Stands before the names of topics and groups, `namespace%topic`, and is taken off again. Up to 64 letters, digits, `_`, `-`. Default: none. */
  readonly namespace?: string;
  /** Whose brokers they are. Default `auto`: by the names of the name servers; `apache` where they say nothing. */
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
} as const;

type NumberOption = keyof typeof bounds;

const silent: ClientLog = { debug() {}, info() {}, warn() {}, error() {} };

/** @throws RocketMQError `INVALID_ARGUMENT`, naming the option. */
export function checkOptions(options: RocketMQClientOptions): CheckedOptions {
  const { credentials, tls = false, namespace = '', vendor = 'auto', logger = silent } = options;
  for (const name of Object.keys(bounds).filter(isNumberOption)) {
    const value = options[name];
    if (value !== undefined) checkNumber(name, value, bounds[name]);
  }
  checkNamespace(namespace);
  const nameServers = nameServersOf(options.nameServers).map(({ address }) => address);
  return {
    namespace,
    timeoutMs: options.timeoutMs ?? timeoutMsDefault,
    cluster: {
      ...clientDefaults,
      nameServers,
      credentials,
      tls: tls === true ? {} : tls === false ? undefined : tls,
      vendor: vendorOf(nameServers.join(';'), vendor),
      producerGroup: fullGroup(options.producerGroup ?? producerGroupDefault, namespace),
      log: logger,
      trace: traceOf(options.trace, namespace),
      observer: options.openTelemetry === undefined ? undefined : openTelemetry(options.openTelemetry),
      requestTimeoutMs: options.requestTimeoutMs ?? clientDefaults.requestTimeoutMs,
      connectTimeoutMs: options.connectTimeoutMs ?? clientDefaults.connectTimeoutMs,
      sendAttemptsMax: options.sendAttemptsMax ?? clientDefaults.sendAttemptsMax,
      sendsInFlightMax: options.sendsInFlightMax ?? clientDefaults.sendsInFlightMax,
      sendsWaitingMax: options.sendsWaitingMax ?? clientDefaults.sendsWaitingMax,
      bodyBytesMax: options.bodyBytesMax ?? clientDefaults.bodyBytesMax,
      batchBytesMax: options.batchBytesMax ?? clientDefaults.batchBytesMax,
      batchCountMax: options.batchCountMax ?? clientDefaults.batchCountMax,
      compression: compressionOf(options.compression),
      namespace,
    },
  };
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

function nameServersOf(nameServers: string | readonly string[] | undefined): readonly ServerAddress[] {
  const text = typeof nameServers === 'object' ? nameServers.join(';') : nameServers;
  if (typeof text !== 'string')
    throw invalidArgument(`nameServers is missing: name them as host:9876[;host:9876], at most ${addressesMax}`);
  try {
    return parseNameServers(text);
  } catch (error) {
    const { message } = toRocketMQError(error);
    throw invalidArgument(`nameServers is malformed: ${message}; expected host:9876[;host:9876]`);
  }
}
