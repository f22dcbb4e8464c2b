#!/usr/bin/env node
import cluster from 'node:cluster';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { startEmbedded } from './embedded.ts';
import type { Embedded } from './embedded-engine.ts';
import { EmbeddedError } from './embedded-error.ts';
import { firstSteps } from './first-steps.ts';
import { createLog, type Log } from './log.ts';
import { OptionsExit, readOptions, type ServerOptions } from './options.ts';
import { brokerTlsOptions } from './proxy/access/broker-tls.ts';
import { EndpointPolicy, PolicyError } from './proxy/access/endpoint-policy.ts';
import { Instance, reachableHost } from './proxy/instances/instance.ts';
import { summedMetrics } from './proxy/instances/summed-metrics.ts';
import { runWorker } from './proxy/instances/worker.ts';
import type { WorkerStart } from './proxy/instances/worker-messages.ts';
import { WorkerError, Workers } from './proxy/instances/workers.ts';
import { findPort, ListenError } from './proxy/port/listen.ts';
import { type StatusServer, startStatusServer } from './proxy/port/status-server.ts';
import { type RunningProxy, startProxy } from './proxy/proxy.ts';
import { unknownKeyReporter } from './proxy/rpc/reports.ts';
import { Sealer } from './proxy/session/seal.ts';
import { loadSealKeys, SealKeyError } from './proxy/session/seal-keys.ts';
import { SettingFileError } from './proxy/watched-files.ts';

async function main(): Promise<void> {
  // V8 takes what outlives some collections under load for what lasts, and makes it in the old generation from then on. Here it is what a
  // call needs, which dies with the call: the heap grew by all of it, and by what it names, until the next full collection.
  setFlagsFromString('--no-allocation-site-pretenuring');
  // What lives on is small, and V8 would let three times as much garbage lie beside it before it looks.
  setFlagsFromString('--heap-growing-percent=50');
  // Of what nobody caught, Node would write all that it holds, which may be secrets: this writes where it was thrown.
  process.on('uncaughtException', fail);
  if (cluster.isWorker) {
    runWorker({ start: startWorker, explain });
    return;
  }
  const given = readOptions(process.argv.slice(2), process.env);
  const log = createLog(given.logLevel);
  const embedded = await startEmbedded(given, log);
  try {
    await serve({ ...given, endpoint: embedded.endpoint }, embedded, log);
  } catch (error) {
    await embedded.broker?.close();
    throw error;
  }
}

async function serve(options: ServerOptions, embedded: Embedded, log: Log): Promise<void> {
  if (options.brokerTls && embedded.broker !== undefined)
    throw new EmbeddedError('PROXY_BROKER_TLS is set, and the embedded engine has no TLS: set ROCKETMQ_ENDPOINT');
  const { keys, warning } = loadSealKeys(options);
  if (warning !== undefined) log.warn({}, warning);
  const { served, statusServer } = await (options.workers === 1 ? serveHere : serveByWorkers)(options, keys, log);
  stopOnSignal(options, { embedded, served, statusServer }, log);
  process.on('SIGHUP', () => served.checkFiles());
  // A mistake of ours that concerns one call is no reason to end all others.
  process.on('unhandledRejection', (error) => {
    served.error();
    log.error({ err: error }, 'a promise failed that nobody waited for');
  });
  announce(options, { embedded, served, statusServer }, log);
}

/** Whatever serves the gRPC port. */
interface Served {
  readonly port: number;
  checkFiles(): void;
  close(drainTimeoutMs: number): Promise<void>;
  /** One more mistake. */
  error(): void;
}

interface ServedPorts {
  readonly served: Served;
  readonly statusServer: StatusServer;
}

async function serveHere(options: ServerOptions, keys: readonly Uint8Array[], log: Log): Promise<ServedPorts> {
  const instance = new Instance();
  const proxy = await start(options, { keys, instance, log });
  const statusServer = await startStatusServer({
    host: options.host,
    port: options.httpPort,
    metrics: options.enableMetrics ? proxy.metrics : undefined,
    ready: proxy.ready,
    answerPeer: (id, text) => proxy.answerPeer(id, text),
  }).catch(async (error: unknown) => {
    await proxy.close(0);
    throw error;
  });
  instance.reachableAt(peerAddress(options, statusServer));
  return { served: { ...proxy, error: () => proxy.metrics.error() }, statusServer };
}

async function serveByWorkers(options: ServerOptions, sealKeys: readonly Uint8Array[], log: Log): Promise<ServedPorts> {
  // Each worker must ask for the same port, also one that replaces the last.
  const grpcPort = await findPort({ host: options.host, port: options.grpcPort, portSetting: 'GRPC_PORT' });
  let workers: Workers | undefined;
  const metrics = summedMetrics({
    metrics: async () => (await workers?.metrics()) ?? [],
    prometheus: async () => (await workers?.prometheus()) ?? [],
  });
  const statusServer = await startStatusServer({
    host: options.host,
    port: options.httpPort,
    metrics: options.enableMetrics ? metrics : undefined,
    ready: () => workers?.ready() ?? { ready: false, reason: 'the workers are starting' },
    answerPeer: async (id, text) => workers?.answerPeer(id, text),
  });
  try {
    const given = { options: { ...options, grpcPort }, sealKeys, peerAddress: peerAddress(options, statusServer) };
    const started = await Workers.start(options.workers, given, log);
    workers = started;
    const close = (drainTimeoutMs: number): Promise<void> => started.stop(drainTimeoutMs);
    return { served: { port: grpcPort, checkFiles: () => started.checkFiles(), close, error: () => {} }, statusServer };
  } catch (error) {
    await statusServer.close();
    throw error;
  }
}

async function startWorker({ options, sealKeys }: WorkerStart, instance: Instance) {
  const log = createLog(options.logLevel);
  return { proxy: await start(options, { keys: sealKeys, instance, log }), log };
}

function peerAddress({ host, peerHost }: ServerOptions, { port }: StatusServer): string {
  return `${urlHost(peerHost ?? reachableHost(host, networkInterfaces()))}:${port}`;
}

function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

interface StartParts {
  readonly keys: readonly Uint8Array[];
  readonly instance: Instance;
  readonly log: Log;
}

function start(options: ServerOptions, { keys, instance, log }: StartParts): Promise<RunningProxy> {
  const { invisibleDurationMs, renewalDurationMs, consumeMode, sendGroupMax: sendGroupCountMax } = options;
  return startProxy({
    ...options,
    listener: { ...options, port: options.grpcPort },
    tls: options,
    clientLimits: options,
    sealer: new Sealer(keys, unknownKeyReporter(log)),
    instance,
    policy: EndpointPolicy.create({ ...options, defaultEndpoint: options.endpoint }),
    defaults: { ...options, endpoint: options.endpoint ?? '' },
    delivery: { invisibleDurationMs, renewalDurationMs, pollDurationMs: options.pullTimeoutMs },
    messagesMax: options.messageBufferSize,
    producerIdleMs: options.producerCleanupTimeoutMs,
    consumerIdleMs: options.consumerCleanupTimeoutMs,
    log,
    client: { consumeMode, sendGroupCountMax, tls: brokerTlsOptions(options) },
  });
}

interface Running extends ServedPorts {
  readonly embedded: Embedded;
}

function announce(options: ServerOptions, { embedded, served, statusServer }: Running, log: Log): void {
  const { host, endpoint, ignored } = options;
  if (ignored.length > 0) log.warn({ settings: ignored }, 'these settings of the replaced product have no effect here');
  if (endpoint === undefined) {
    log.warn(
      {},
      'there is no default endpoint: clients must name theirs, or set ROCKETMQ_ENDPOINT to a name server such as 127.0.0.1:9876',
    );
  }
  const grpc = `${options.tlsCertFile === undefined ? 'http' : 'https'}://${urlHost(host)}:${served.port}`;
  const status = `http://${urlHost(host)}:${statusServer.port}`;
  const { workers } = options;
  log.info(
    { grpc, status, endpoint, ...(workers === 1 ? {} : { workers }) },
    'the proxy serves gRPC, gRPC-web and Connect',
  );
  const { broker } = embedded;
  if (broker === undefined) {
    log.info({}, `try: curl -d '{}' -H 'content-type: application/json' ${grpc}/rocketmq.RocketMQProxy/HealthCheck`);
    return;
  }
  const { nameServer, brokerAddress } = broker;
  const { dataDir, flush } = options;
  log.info({ nameServer, broker: brokerAddress, dataDir, flush }, 'the embedded engine serves the remoting protocol');
  // Standard output is for programs that read the log.
  process.stderr.write(firstSteps(grpc, nameServer));
}

/** The first signal drains, a second one ends the process at once. */
function stopOnSignal(options: ServerOptions, { embedded, served, statusServer }: Running, log: Log): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal, drainTimeoutMs: options.drainTimeoutMs }, 'shutting down');
    await served.close(options.drainTimeoutMs);
    await statusServer.close();
    await embedded.broker?.close();
    log.info({}, 'the proxy has ended');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
}

function fail(error: unknown): never {
  if (error instanceof OptionsExit) {
    (error.exitCode === 0 ? process.stdout : process.stderr).write(`${error.message}\n`);
    process.exit(error.exitCode);
  }
  process.stderr.write(`rocketmq-grpc-proxy: ${explain(error)}\n`);
  process.exit(1);
}

/** What the user can mend gets a sentence; what is our mistake its stack. */
function explain(error: unknown): string {
  const expected =
    error instanceof EmbeddedError ||
    error instanceof PolicyError ||
    error instanceof SealKeyError ||
    error instanceof SettingFileError ||
    error instanceof WorkerError ||
    error instanceof ListenError;
  return expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch(fail);
