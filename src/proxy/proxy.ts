import type { ConnectError } from '@connectrpc/connect';
import { LRUCache } from 'lru-cache';
import { type Cancellation, Ending } from '../basics/ending.ts';
import type { ClientOptions, Vendor } from '../client/options.ts';
import { UnreadBytes } from '../client/unread-bytes.ts';
import { file_google_rpc_error_details } from '../gen/google/rpc/error_details_pb.ts';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { RocketMQProxy } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Log } from '../log.ts';
import { Deadline } from '../remoting/deadline.ts';
import type { TargetRequest } from './access/caller.ts';
import { type ClientLimitSettings, ClientLimits } from './access/client-limits.ts';
import type { EndpointPolicy } from './access/endpoint-policy.ts';
import { Engines } from './engines.ts';
import { Instance } from './instances/instance.ts';
import { createPeerAnswers } from './instances/peer-answers.ts';
import { Peers } from './instances/peers.ts';
import { ProxyMetrics } from './metrics.ts';
import { CorsPolicy } from './port/cors.ts';
import { DrainGrace } from './port/drain-grace.ts';
import { Listener, type ListenerOptions } from './port/listener.ts';
import { createRequestHandler } from './port/node-requests.ts';
import type { Readiness } from './port/status-server.ts';
import type { TlsFileSettings } from './port/tls-files.ts';
import { ReadinessProbe } from './readiness.ts';
import type { DeliverySettings } from './receive/consumer-session.ts';
import { createConsumerHandlers } from './receive/consumers.ts';
import { Receipts } from './receive/receipts.ts';
import { createReceiveHandlers } from './receive/receive.ts';
import { Calls } from './rpc/calls.ts';
import { createConnectHandlers } from './rpc/connect.ts';
import { createUnaryHandlers } from './rpc/connect-unary.ts';
import { createHealthHandlers } from './rpc/health.ts';
import { createReflectionHandlers } from './rpc/reflection.ts';
import { reportOutcomes } from './rpc/reports.ts';
import { createServedMethods, endlessPath, type ServedMethod } from './rpc/served-methods.ts';
import type { Service } from './rpc/service.ts';
import { createStreamHandler } from './rpc/stream-requests.ts';
import { ProducerHandles } from './send/producer-handles.ts';
import { createProducerHandlers } from './send/producers.ts';
import { createSendHandlers } from './send/send.ts';
import { createListingHandlers } from './session/listings.ts';
import type { InstanceNamespace } from './session/names.ts';
import type { Sealer } from './session/seal.ts';
import { Sessions } from './session/sessions.ts';
import { Targets } from './session/targets.ts';
import { WatchedSettings } from './watched-settings.ts';

const megabyte = 1_048_576;
/** How often idle sessions and engines are looked for, in ms. */
const sweepIntervalMs = 5_000;
/** Longest that messages may take to be given back once the calls have ended, in ms. */
const closeGraceMs = 3_000;
/** The same where little time was given to drain. */
const closeGraceMsMin = 1_000;

export interface ProxyOptions {
  readonly listener: Omit<ListenerOptions, 'handler' | 'onStream' | 'counter' | 'log' | 'tls'>;
  /** What serves HTTP/2. Default: `own`. */
  readonly http2Engine?: 'node' | 'own' | undefined;
  /** Unset: the port is cleartext. */
  readonly tls?: TlsFileSettings | undefined;
  /** A file with bearer tokens. Unset: nobody is asked for one. */
  readonly tokensFile?: string | undefined;
  /** A file with the keys of `sealer`, which uses what stands in it when it changes. Unset: it keeps its keys. */
  readonly sealKeyFile?: string | undefined;
  /** Origins of web pages that may call. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** What one client may do. Unset: any number of calls. */
  readonly clientLimits?: ClientLimitSettings | undefined;
  /** How often files that settings name are looked at again, in ms. Default: `fileCheckIntervalMs`. */
  readonly fileCheckIntervalMs?: number | undefined;
  readonly sealer: Sealer;
  readonly policy: EndpointPolicy;
  readonly instanceNamespace: InstanceNamespace;
  readonly vendor: Vendor | 'auto';
  readonly defaults: TargetRequest;
  readonly delivery: DeliverySettings;
  /** Messages of one stream that may be in flight. */
  readonly messagesMax: number;
  /** MiB of messages of all streams that may be taken and not read. Default: any number. */
  readonly unreadMegabytes?: number | undefined;
  readonly writeTimeoutMs: number;
  readonly producerIdleMs: number;
  readonly consumerIdleMs: number;
  readonly log: Log;
  /** How other instances reach this one. Default: not at all. */
  readonly instance?: Instance | undefined;
  /** Changes of the client's defaults. */
  readonly client?: Partial<ClientOptions>;
}

/** The running proxy. */
export interface RunningProxy {
  /** The port that it listens on. */
  readonly port: number;
  readonly metrics: ProxyMetrics;
  /** Whether calls can be served now. */
  readonly ready: () => Readiness;
  /** Answers other instances; undefined where they ask another process than this one. @throws SealError; Error. */
  answerPeer(id: string, text: string): Promise<string | undefined>;
  /** Looks at once whether files that settings name have changed. */
  checkFiles(): void;
  /** Ends streams, waits up to `drainTimeoutMs` for calls under way, and closes everything. */
  close(drainTimeoutMs: number): Promise<void>;
}

/** Puts the proxy together and starts to listen. @throws ListenError; SettingFileError. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { log, sealer } = options;
  const unreadBytes = new UnreadBytes((options.unreadMegabytes ?? Number.POSITIVE_INFINITY) * megabyte);
  const engines = createEngines(options, unreadBytes);
  const sessions = new Sessions({ ...options, engines });
  const metrics = createMetrics(sessions, unreadBytes);
  const targets = new Targets(options);
  const defaultTarget = targets.default;
  const draining = new Ending();
  const grace = new DrainGrace();
  const readiness = new ReadinessProbe(engines, defaultTarget);
  const instance = options.instance ?? new Instance();
  const peers = new Peers(sealer, log);
  const answerPeer = createPeerAnswers(sealer, sessions, options.writeTimeoutMs);
  const service = createService(options, {
    targets,
    engines,
    sessions,
    metrics,
    receipts: new Receipts(sealer, instance),
    peers,
    draining: draining,
    grace,
    unreadBytes,
    isReady: () => readiness.state.ready,
  });
  const files = new WatchedSettings(options);
  files.sealKeys(sealer);
  const limits = options.clientLimits && new ClientLimits(options.clientLimits, draining);
  const calls = new Calls(metrics, log, { tokens: files.tokens(), limits });
  const serving = createServing(options, createServedMethods(service, calls));
  const tls = files.tls((material) => listener.renewTls(material));
  const listener = await Listener.start({ ...options.listener, ...serving, counter: metrics, log, tls }).catch(
    (error) => {
      files.close();
      throw error;
    },
  );
  const sweeper = setInterval(() => {
    sessions.sweep();
    engines.sweep();
    limits?.sweep();
  }, sweepIntervalMs).unref();
  const close = async (drainTimeoutMs: number): Promise<void> => {
    readiness.stop();
    grace.start(drainTimeoutMs);
    draining.abort();
    await Promise.all([listener.drain(drainTimeoutMs), grace.over()]);
    clearInterval(sweeper);
    files.close();
    sessions.close();
    peers.close();
    // What it waits for, brokers do themselves when the invisible duration is over.
    await Deadline.after(Math.max(closeGraceMsMin, Math.min(closeGraceMs, drainTimeoutMs)))
      .wait(engines.close(), 'giving back messages')
      .catch((error: unknown) => log.warn({ err: error }, 'some messages could not be given back in time'));
  };
  let closed: Promise<void> | undefined;
  return {
    port: listener.port,
    metrics,
    ready: () => readiness.state,
    checkFiles: () => files.check(),
    answerPeer: async (id, text) => (id === instance.id ? answerPeer(text) : undefined),
    close: (drainTimeoutMs) => {
      closed ??= close(drainTimeoutMs);
      return closed;
    },
  };
}

/** What answers requests, by either way of speaking HTTP/2. */
function createServing({ corsOrigins = [], http2Engine, log }: ProxyOptions, served: readonly ServedMethod[]) {
  const handlers = createConnectHandlers(served);
  const pages = new CorsPolicy(corsOrigins);
  return {
    endlessPath,
    handler: createRequestHandler(handlers, createUnaryHandlers(served), pages, log),
    onStream: http2Engine === 'node' ? undefined : createStreamHandler(served, handlers, pages, log),
  };
}

function createMetrics(sessions: Sessions, unreadBytes: UnreadBytes): ProxyMetrics {
  return new ProxyMetrics({
    activeProducers: () => sessions.activeProducerCount,
    activeConsumers: () => sessions.activeConsumerCount,
    unreadBytes: () => unreadBytes.bytes,
  });
}

function createEngines({ log, policy, vendor, client = {} }: ProxyOptions, unreadBytes: UnreadBytes): Engines {
  return new Engines({
    vendor,
    checkEndpoint: (endpoint) => policy.checkEndpoint(endpoint),
    brokerAllowed: guard((address, ip) => policy.brokerAllowed(address, ip), 'PROXY_ALLOWED_BROKERS', log),
    log,
    client: {
      nameServerAllowed: guard((address, ip) => policy.nameServerAllowed(address, ip), 'PROXY_ALLOWED_ENDPOINTS', log),
      unreadBytes,
      ...client,
    },
  });
}

interface ServiceParts {
  readonly targets: Targets;
  readonly engines: Engines;
  readonly sessions: Sessions;
  readonly metrics: ProxyMetrics;
  readonly receipts: Receipts;
  readonly peers: Peers;
  readonly draining: Cancellation;
  readonly grace: DrainGrace;
  readonly unreadBytes: UnreadBytes;
  readonly isReady: () => boolean;
}

function createService(options: ProxyOptions, parts: ServiceParts): Service {
  const { writeTimeoutMs, messagesMax, log } = options;
  const { targets, engines, sessions, metrics, receipts, peers, draining, grace, unreadBytes, isReady } = parts;
  const onFailures = (rpc: string, failures: readonly ConnectError[]): void => {
    reportOutcomes(log, rpc, failures);
    metrics.error(failures.length);
  };
  return {
    ...createProducerHandlers(targets, engines, sessions),
    ...createConsumerHandlers(targets, sessions),
    ...createListingHandlers(targets, engines, sessions),
    ...createSendHandlers(
      { engines, sessions, handles: new ProducerHandles(options.sealer) },
      { writeTimeoutMs, draining, log, onFailures, onSent: (count) => metrics.messageSent(count) },
    ),
    ...createReceiveHandlers(sessions, receipts, {
      messagesMax,
      writeTimeoutMs,
      peers,
      draining,
      grace,
      unreadBytes,
      log,
      onFailures,
      onReceived: () => metrics.messageReceived(),
      onPaused: () => metrics.streamPaused(),
      onStalled: () => metrics.streamStalled(),
    }),
    health: createHealthHandlers({ services: [RocketMQProxy.typeName], isReady, draining }),
    reflection: createReflectionHandlers([RocketMQProxy, Health, ServerReflection, ServerReflectionAlpha], draining, [
      file_google_rpc_error_details,
    ]),
    healthCheck: async () => ({ healthy: true, message: 'the proxy serves' }),
  };
}

/** Addresses of servers whose verdict is remembered; as many refused ones are told to the log, each once. */
const verdictsMax = 1_000;

type Guard = (address: string, ip?: string) => boolean;

/** Remembers what is allowed, since every send asks, and tells the log what is not, and the setting that could allow it. */
function guard(allowed: Guard, setting: string, log: Log): Guard {
  const verdicts = new LRUCache<string, boolean>({ max: verdictsMax });
  const told = new Set<string>();
  const tell = (key: string, address: string, ip: string | undefined): void => {
    if (told.has(key) || told.size >= verdictsMax) return;
    told.add(key);
    const text =
      ip === undefined
        ? 'a name server sent us to a broker that is not allowed: add its address to'
        : 'a name stands for an address inside, which is not connected to: add that IP address to';
    log.warn({ address, ip }, `${text} ${setting}`);
  };
  return (address, ip) => {
    const key = ip === undefined ? address : `${address} ${ip}`;
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    const isAllowed = allowed(address, ip);
    verdicts.set(key, isAllowed);
    if (!isAllowed) tell(key, address, ip);
    return isAllowed;
  };
}
