import type { ChannelOptions } from '@grpc/grpc-js';
import { invalid } from './mq-error.ts';

/** Where the SDK tells what happens: pino's own shape, so that a pino logger can be given as it is. Secrets and bodies are never told. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** TLS: certificates as PEM. */
export interface TlsOptions {
  /** Authorities that are trusted. Default: Node's own. */
  readonly ca?: string | Buffer | undefined;
  /** Certificate of this client, with its key: mutual TLS. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** Name that the server's certificate must have. Default: the host of its address. */
  readonly servername?: string | undefined;
}

/** Whose RocketMQ it is, and how it is reached. */
export interface MQConfig {
  /** Name servers as `host:9876[;host:9876]`; `http://` in front is accepted. Empty: the proxy's default, which direct mode has none of. */
  endpoint?: string | undefined;
  /** Access key; empty: none. */
  accessKeyId?: string | undefined;
  /** Secret key; empty: none. */
  accessKeySecret?: string | undefined;
  /** Instance of a cloud vendor, for calls that name none. */
  instanceId?: string | undefined;
  /**
   * Proxies as `host:port[,host:port]`, or a list of such texts; up to 64. `https://` in front means TLS. Calls go to those that are connected,
   * in turn. Default: `localhost:50051`.
   */
  grpcEndpoint?: string | readonly string[] | undefined;
  /** Speaks to name servers and brokers itself, without a proxy. Default: false. */
  direct?: boolean | undefined;
  /** TLS to proxies; in direct mode, to name servers and brokers. Default: cleartext. */
  tls?: boolean | TlsOptions | undefined;
  /** Bearer token for the proxy, or a function that gives it and is asked for each call. Default: none. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Longest time of a call that names none, in ms: 1 to 2,147,483,647. Default: 20,000, which is longer than proxies wait for RocketMQ. */
  timeoutMs?: number | undefined;
  /** Publishes and acks of one turn of the event loop go to the proxy together. Default: true. */
  batching?: boolean | undefined;
  /** Default: nothing is told. */
  logger?: Logger | undefined;
  /** Options of grpc-js for the connections to proxies, which win over the SDK's own. Default: none. */
  channelOptions?: ChannelOptions | undefined;
}

/** Options that are complete and right. */
export interface CheckedConfig {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly instanceId: string;
  /** `host:port` of each proxy. */
  readonly proxies: readonly string[];
  readonly direct: boolean;
  readonly tls: TlsOptions | undefined;
  readonly token: MQConfig['token'];
  readonly timeoutMs: number;
  readonly batching: boolean;
  readonly logger: Logger;
  readonly channelOptions: ChannelOptions;
}

const proxyDefault = 'localhost:50051';
/** Most proxies of one client. */
export const proxiesMax = 64;
const timeoutMsDefault = 20_000;
/** Longest time that a timer can wait, in ms. */
const timeoutMsMax = 2 ** 31 - 1;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** @throws MQError INVALID_ARGUMENT, naming the option. */
export function checkConfig(config: MQConfig): CheckedConfig {
  const { timeoutMs = timeoutMsDefault, direct = false } = config;
  checkTimeout(timeoutMs);
  const { proxies, isSecure } = readProxies(config.grpcEndpoint || proxyDefault);
  if (direct && !config.endpoint) throw invalid('endpoint is empty: direct mode needs name servers, as host:9876');
  return {
    endpoint: config.endpoint ?? '',
    accessKeyId: config.accessKeyId ?? '',
    accessKeySecret: config.accessKeySecret ?? '',
    instanceId: config.instanceId ?? '',
    proxies,
    direct,
    tls: tlsOf(config.tls ?? isSecure),
    token: config.token,
    timeoutMs,
    batching: config.batching ?? true,
    logger: config.logger ?? silent,
    channelOptions: config.channelOptions ?? {},
  };
}

/** @throws MQError INVALID_ARGUMENT. */
export function checkTimeout(timeoutMs: number | undefined): void {
  checkNumber('timeoutMs', timeoutMs, 1, timeoutMsMax);
}

/** Undefined is right. @throws MQError INVALID_ARGUMENT unless it is a whole number within the bounds. */
export function checkNumber(name: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
  throw invalid(`${name} is ${value}; it must be a whole number from ${min} to ${max}`);
}

function tlsOf(tls: boolean | TlsOptions): TlsOptions | undefined {
  if (tls === true) return {};
  if (tls === false) return undefined;
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalid('tls has only one of cert and key: servers that ask for a certificate want both');
  }
  return tls;
}

function readProxies(grpcEndpoint: string | readonly string[]) {
  const texts = [grpcEndpoint].flat().flatMap((text) => String(text).split(','));
  const trimmed = texts.map((text) => text.trim()).filter((text) => text !== '');
  if (trimmed.length < 1 || trimmed.length > proxiesMax) {
    throw invalid(
      `grpcEndpoint names ${trimmed.length} proxies; it may name 1 to ${proxiesMax}, as host:port[,host:port]`,
    );
  }
  const secureCount = trimmed.filter((text) => text.startsWith('https://')).length;
  if (secureCount > 0 && secureCount < trimmed.length) {
    throw invalid('grpcEndpoint names proxies with and without https://: all of them have TLS, or none');
  }
  return { proxies: [...new Set(trimmed.map(addressOf))], isSecure: secureCount > 0 };
}

function addressOf(text: string): string {
  const [, address = ''] = /^(?:https?:\/\/)?(\[[\da-fA-F:.%]+\]:\d{1,5}|[^\s:/[\]]+:\d{1,5})\/?$/.exec(text) ?? [];
  if (address === '') throw invalid(`grpcEndpoint has ${JSON.stringify(text)}, which is no host:port`);
  return address;
}
