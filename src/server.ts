#!/usr/bin/env node
import { isIPv6 } from 'node:net';
import { type Embedded, EmbeddedError, startEmbedded } from './embedded.ts';
import { firstSteps } from './first-steps.ts';
import { createLog, type Log } from './log.ts';
import { OptionsExit, readOptions, type ServerOptions } from './options.ts';
import { brokerTlsOptions } from './proxy/broker-tls.ts';
import { EndpointPolicy, PolicyError } from './proxy/endpoint-policy.ts';
import { ListenError } from './proxy/listen.ts';
import { type RunningProxy, startProxy } from './proxy/proxy.ts';
import { Sealer } from './proxy/seal.ts';
import { loadSealKeys, SealKeyError } from './proxy/seal-keys.ts';
import { type StatusServer, startStatusServer } from './proxy/status-server.ts';
import { SettingFileError } from './proxy/watched-files.ts';

async function main(): Promise<void> {
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
  const proxy = await start(options, log);
  const statusServer = await startStatusServer({
    host: options.host,
    port: options.httpPort,
    metrics: options.enableMetrics ? proxy.metrics : undefined,
    ready: proxy.ready,
  }).catch(async (error: unknown) => {
    await proxy.close(0);
    throw error;
  });
  stopOnSignal(options, { embedded, proxy, statusServer }, log);
  // A mistake of ours that concerns one call is no reason to end all others.
  process.on('unhandledRejection', (error) => {
    proxy.metrics.error();
    log.error({ err: error }, 'a promise failed that nobody waited for');
  });
  announce(options, { embedded, proxy, statusServer }, log);
}

function start(options: ServerOptions, log: Log): Promise<RunningProxy> {
  const { invisibleDurationMs, renewalDurationMs, consumeMode } = options;
  const { keys, warning } = loadSealKeys(options);
  if (warning !== undefined) log.warn({}, warning);
  return startProxy({
    ...options,
    listener: { ...options, port: options.grpcPort },
    tls: options,
    clientLimits: options,
    sealer: new Sealer(keys),
    policy: EndpointPolicy.create({ ...options, defaultEndpoint: options.endpoint }),
    defaults: { ...options, endpoint: options.endpoint ?? '' },
    delivery: { invisibleDurationMs, renewalDurationMs, pollDurationMs: options.pullTimeoutMs },
    messagesMax: options.messageBufferSize,
    producerIdleMs: options.producerCleanupTimeoutMs,
    consumerIdleMs: options.consumerCleanupTimeoutMs,
    log,
    client: { consumeMode, tls: brokerTlsOptions(options) },
  });
}

interface Running {
  readonly embedded: Embedded;
  readonly proxy: RunningProxy;
  readonly statusServer: StatusServer;
}

function announce(options: ServerOptions, { embedded, proxy, statusServer }: Running, log: Log): void {
  const { host, endpoint, ignored } = options;
  if (ignored.length > 0) log.warn({ settings: ignored }, 'these settings of the replaced product have no effect here');
  if (endpoint === undefined) {
    log.warn(
      {},
      'there is no default endpoint: clients must name theirs, or set ROCKETMQ_ENDPOINT to a name server such as 127.0.0.1:9876',
    );
  }
  const urlHost = isIPv6(host) ? `[${host}]` : host;
  const grpc = `${options.tlsCertFile === undefined ? 'http' : 'https'}://${urlHost}:${proxy.port}`;
  const status = `http://${urlHost}:${statusServer.port}`;
  log.info({ grpc, status, endpoint }, 'the proxy serves gRPC, gRPC-web and Connect');
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
function stopOnSignal(options: ServerOptions, { embedded, proxy, statusServer }: Running, log: Log): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal, drainTimeoutMs: options.drainTimeoutMs }, 'shutting down');
    await proxy.close(options.drainTimeoutMs);
    await statusServer.close();
    await embedded.broker?.close();
    log.info({}, 'the proxy has ended');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
}

/** What the user can mend gets a sentence; what is our mistake its stack. */
function fail(error: unknown): never {
  if (error instanceof OptionsExit) {
    (error.exitCode === 0 ? process.stdout : process.stderr).write(`${error.message}\n`);
    process.exit(error.exitCode);
  }
  const expected =
    error instanceof EmbeddedError ||
    error instanceof PolicyError ||
    error instanceof SealKeyError ||
    error instanceof SettingFileError ||
    error instanceof ListenError;
  process.stderr.write(
    `rocketmq-grpc-proxy: ${expected ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(1);
}

main().catch(fail);
