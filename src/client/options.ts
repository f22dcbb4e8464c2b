import type { LookupFunction } from 'node:net';
import type { ServerRequestHandler } from '../remoting/channel.ts';
import type { Serialization } from '../remoting/command.ts';
import type { CompressionType } from '../remoting/compression.ts';
import { connectTimeoutMsDefault, type TlsOptions } from '../remoting/dial.ts';
import type { Credentials } from '../remoting/signature.ts';
import type { CredentialsKeeper, CredentialsProvider } from './cluster/credentials.ts';
import type { Vendor } from './cluster/vendor.ts';
import type { ClientObserver } from './observer.ts';
import type { UnreadBytes } from './unread-bytes.ts';

export type { Vendor } from './cluster/vendor.ts';

/** How messages are received: `pop`, `pull`, or, with `auto`, by POP where all brokers of the topic that can be reached have it, else by pull. */
export type ConsumeMode = 'auto' | 'pop' | 'pull';

/** Where the client tells what happens; pino's own shape. */
export interface ClientLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Which bodies are compressed, and how. Batches are not. */
export interface CompressionOptions {
  /** Clients and brokers before 4.9.4 read zlib only; `zstd` needs Node 22.15 or newer. */
  readonly type: CompressionType | 'none';
  /** Shortest body that is compressed, in bytes. */
  readonly overBytes: number;
}

/** Message traces: what happened to each message, in a topic, for operators. */
export interface TraceOptions {
  /** Where traces go. Default: `RMQ_SYS_TRACE_TOPIC`, which brokers have where `traceTopicEnable=true`. */
  readonly topic?: string | undefined;
}

export interface ClientOptions {
  /** Name servers as `host:port`. One is used until it fails, then the next. */
  readonly nameServers: readonly string[];
  /**
   * A web server that answers with a line of name servers, as Java's clients ask one (`TopAddressing`): asked for on first use, then every
   * 2 min. `nameServers` may then be empty; they are used until it answers. Default: none.
   */
  readonly nameServerUrl?: string | undefined;
  /** May a name server be dialled that the web server listed? With `ip`: may any be dialled whose name stands for that IP address now? */
  readonly nameServerAllowed: (address: string, ip?: string) => boolean;
  /** What every request is signed with, or who gives it; unset: requests are not signed. */
  readonly credentials?: Credentials | CredentialsProvider | undefined;
  /** TLS on every connection. */
  readonly tls?: TlsOptions | undefined;
  readonly vendor: Vendor;
  /** May a broker address that a name server gave be dialled? Asked again with the IP addresses that its name stands for now. */
  readonly brokerAllowed: (address: string, ip?: string) => boolean;
  /** Finds the addresses of a name, anew for each connection. Default: the system's way. */
  readonly lookup?: LookupFunction | undefined;
  readonly log: ClientLog;
  /** Group under which messages are sent and transactions are checked. */
  readonly producerGroup: string;
  /** Longest time for one connection to be made, in ms. */
  readonly connectTimeoutMs: number;
  /** Longest wait for one reply, in ms, where the call has more; then another try may be made. */
  readonly requestTimeoutMs: number;
  /** Tries of one send, the first included. More of them make retry storms out of outages. */
  readonly sendAttemptsMax: number;
  /** Sends to one broker that may wait for its reply at once; more wait their turn. */
  readonly sendsInFlightMax: number;
  /** Sends that may wait their turn at one broker; one more is refused. */
  readonly sendsWaitingMax: number;
  /** How often brokers hear that the client lives, in ms; they forget it after 120 s. */
  readonly heartbeatIntervalMs: number;
  /** How often routes in use are asked for again, in ms. */
  readonly routeRefreshIntervalMs: number;
  /** Topics whose route is remembered. */
  readonly routesMax: number;
  /** How bodies are compressed; one that would not become smaller, or is longer than `bodyBytesMax`, is sent as it is. */
  readonly compression: CompressionOptions;
  /** Most bytes of one request that stores several messages, unless one message alone has more. */
  readonly batchBytesMax: number;
  /** Most messages of one such request, at most 32,767. */
  readonly batchCountMax: number;
  /**
   * Most messages that are stored by one request where `Producer.send` is called for them in one turn of the event loop; they are plain ones of
   * one topic (`SendGroups`). 1: each by a request of its own.
   */
  readonly sendGroupCountMax: number;
  /** Says whose messages they are (INSTANCE_ID) on each that is sent. Changes no name: give those whole. Default: none. */
  readonly namespace?: string | undefined;
  /** Longest body that is taken out of a compressed message, in bytes. */
  readonly bodyBytesMax: number;
  /** Requests that may wait for their replies at once; one more is refused as `overloaded`. Default: 8,192. */
  readonly requestsWaitingMax?: number | undefined;
  /** Message traces in RocketMQ's own format. Default: none. */
  readonly trace?: TraceOptions | undefined;
  /** Sees what the client does, as telemetry does. Default: none. */
  readonly observer?: ClientObserver | undefined;
  /** Bounds what queues that are read by pull hold, and nobody was given; streams have their part of it each. Default: no bound. */
  readonly unreadBytes?: UnreadBytes | undefined;
  /** How consumers receive that do not say it themselves. */
  readonly consumeMode: ConsumeMode;
}

/**
 * Defaults of official clients where they have one: 30 s heartbeat and route refresh, 3 s to connect, bodies of 4 KiB or more as zlib.
 */
export const clientDefaults = {
  vendor: 'apache',
  nameServerAllowed: () => true,
  brokerAllowed: () => true,
  producerGroup: 'rocketmq-grpc-proxy',
  connectTimeoutMs: connectTimeoutMsDefault,
  requestTimeoutMs: 5_000,
  sendAttemptsMax: 3,
  sendsInFlightMax: 512,
  sendsWaitingMax: 16_384,
  heartbeatIntervalMs: 30_000,
  routeRefreshIntervalMs: 30_000,
  routesMax: 4_096,
  compression: { type: 'zlib', overBytes: 4_096 },
  batchBytesMax: 1_048_576,
  batchCountMax: 1_000,
  sendGroupCountMax: 1,
  bodyBytesMax: 4_194_304,
  consumeMode: 'auto',
} as const satisfies Partial<ClientOptions>;

/** What of the options a connection needs, and who answers the server's requests on it. */
export type ConnectionOptions = Pick<ClientOptions, 'tls' | 'connectTimeoutMs' | 'lookup'> & {
  /** As `ChannelOptions` say; default: JSON. */
  readonly serialization?: Serialization;
  /** As `DialOptions` say. */
  readonly ipAllowed?: ((ip: string, address: string) => boolean) | undefined;
  readonly credentials?: CredentialsKeeper | undefined;
  /** Largest frame, in bytes; what official clients and servers allow by default. */
  readonly frameBytesMax?: number;
  readonly onServerRequest?: ServerRequestHandler | undefined;
};
