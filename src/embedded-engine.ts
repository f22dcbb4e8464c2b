import { type RunningBroker, startBroker } from './broker/broker.ts';
import { BrokerListenError } from './broker/listener.ts';
import type { AccessKey } from './broker/options.ts';
import { StoreError } from './broker/store/message-store.ts';
import { EmbeddedError } from './embedded-error.ts';
import type { Log } from './log.ts';
import type { ServerOptions } from './options.ts';
import { channelDefaults } from './remoting/channel.ts';
import { Deadline } from './remoting/deadline.ts';
import { connectTimeoutMsDefault, dial } from './remoting/dial.ts';
import { decodeBrokerNames, getClusterInfo } from './remoting/requests/get-cluster-info.ts';
import { ResponseCode } from './remoting/response-code.ts';

/** What a server works with. */
export interface Embedded {
  /** Name server for calls that name none. */
  readonly endpoint: string | undefined;
  /** Undefined where none is started. */
  readonly broker: RunningBroker | undefined;
}

/** How long a program on the name server's port may take to say that it is one. */
const probeTimeoutMs = 3_000;
const megabyte = 1_048_576;
/** Most bytes of messages that are kept in memory. */
const memoryBytesMax = 256 * megabyte;

/** Starts the engine, or finds that a name server has its port already. @throws EmbeddedError as `startEmbedded`. */
export async function startEngine(options: ServerOptions, log: Log): Promise<Embedded> {
  const { endpoint, remotingHost, remotingPort } = options;
  checkPorts(options);
  try {
    const broker = await start(options, log);
    return { endpoint: endpoint ?? broker.nameServer, broker };
  } catch (cause) {
    const address = `${remotingHost.includes(':') ? `[${remotingHost}]` : remotingHost}:${remotingPort}`;
    if (isTaken(cause) && cause.port === remotingPort && (await isNameServer(address))) {
      log.info(
        { endpoint: address },
        'a RocketMQ name server is there already: it is used, the embedded engine is not started',
      );
      return { endpoint: endpoint ?? address, broker: undefined };
    }
    throw explained(cause, options);
  }
}

/** @throws EmbeddedError */
function checkPorts({ remotingPort, brokerPort }: ServerOptions): void {
  if (remotingPort === 0 || remotingPort !== brokerPort) return;
  throw new EmbeddedError(
    `name server and broker need a port each, and both are ${brokerPort}: set PROXY_BROKER_PORT to another, or to 0 for any`,
  );
}

function isTaken(cause: unknown): cause is BrokerListenError {
  return cause instanceof BrokerListenError && codeOf(cause.cause) === 'EADDRINUSE';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** What the user can mend, with what to do about it; anything else as it is. */
function explained(cause: unknown, { remotingPort, dataDir }: ServerOptions): unknown {
  const explain = (text: string): EmbeddedError => new EmbeddedError(`the embedded engine ${text}`, cause);
  if (isTaken(cause)) {
    const setting = cause.port === remotingPort ? 'PROXY_REMOTING_PORT' : 'PROXY_BROKER_PORT';
    return explain(
      `${cause.message}. End that program, set ${setting} to a free port, or use another RocketMQ by ROCKETMQ_ENDPOINT`,
    );
  }
  if (cause instanceof BrokerListenError) {
    return explain(
      `${cause.message}. Set PROXY_REMOTING_HOST to an address of this machine, and its ports to free ones`,
    );
  }
  if (cause instanceof StoreError || /^E[A-Z0-9]+$/.test(String(codeOf(cause)))) {
    const message = cause instanceof Error ? cause.message : '';
    return explain(`cannot use its data directory ${dataDir}: ${message}. Set PROXY_DATA_DIR to another, or to memory`);
  }
  return cause;
}

function start(options: ServerOptions, log: Log): Promise<RunningBroker> {
  const { remotingHost, remotingPort, brokerPort, dataDir, flush, retentionMs, retentionMegabytes } = options;
  const inMemory = dataDir === 'memory';
  const retentionBytes = retentionMegabytes * megabyte;
  return startBroker({
    host: remotingHost,
    nameServerPort: remotingPort,
    brokerPort,
    dataDirectory: inMemory ? undefined : dataDir,
    flush,
    retentionMs,
    retentionBytes: inMemory ? Math.min(retentionBytes, memoryBytesMax) : retentionBytes,
    accessKeys: readKeys(options.remotingKeys),
    log,
  });
}

/** @throws EmbeddedError without the text, which is secret. */
function readKeys(text = ''): AccessKey[] {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return pairs.map((pair) => {
    const [accessKey = '', secretKey = '', ...more] = pair.trim().split(':');
    if (accessKey !== '' && secretKey !== '' && more.length === 0) return { accessKey, secretKey };
    throw new EmbeddedError('PROXY_REMOTING_KEYS must be accessKey:secretKey, several separated by commas');
  });
}

async function isNameServer(address: string): Promise<boolean> {
  const deadline = Deadline.after(probeTimeoutMs);
  try {
    const channel = await dial(address, { ...channelDefaults, connectTimeoutMs: connectTimeoutMsDefault }, deadline);
    try {
      const reply = await channel.invoke(getClusterInfo.encode({}), deadline);
      // One with access control says so much, and no more.
      if (reply.code !== ResponseCode.NO_PERMISSION) decodeBrokerNames(reply);
      return true;
    } finally {
      channel.close();
    }
  } catch {
    return false;
  }
}
