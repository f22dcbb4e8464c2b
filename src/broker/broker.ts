import { isIPv6 } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer, Command } from '../remoting/command.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Engine, ProcessorTable } from './engine.ts';
import { Listener } from './listener.ts';
import { type BrokerOptions, brokerDefaults } from './options.ts';
import { offsetProcessors } from './processors/offsets.ts';
import { pullProcessors } from './processors/pull.ts';
import { sendProcessors } from './processors/send.ts';
import { type RunningEngine, startEngine } from './start-engine.ts';

/** A name server and a broker, each on its port, in this process. */
export interface RunningBroker {
  /** `host:port` of the name server: what clients are given. */
  readonly nameServer: string;
  /** `host:port` of the broker, as routes name it. */
  readonly brokerAddress: string;
  readonly engine: Engine;
  /** Ends both; a second call waits for the first. */
  close(): Promise<void>;
}

const tables: readonly ProcessorTable[] = [sendProcessors, pullProcessors, offsetProcessors];

/**
 * Starts the engine. One node: production and scale stay with Apache RocketMQ.
 * @throws BrokerListenError; StoreError when the data folder cannot be used.
 */
export async function startBroker(given: Partial<BrokerOptions> = {}): Promise<RunningBroker> {
  const options = { ...brokerDefaults, ...given };
  const door = new Door();
  const nameServer = await openListener(options, options.nameServerPort, door);
  let broker: Listener | undefined;
  try {
    broker = await openListener(options, options.brokerPort, door);
    return await start(options, { nameServer, broker, door });
  } catch (error) {
    await Promise.all([nameServer.close(), broker?.close()]);
    throw error;
  }
}

interface Ports {
  readonly nameServer: Listener;
  readonly broker: Listener;
  readonly door: Door;
}

async function start(options: BrokerOptions, { nameServer, broker, door }: Ports): Promise<RunningBroker> {
  const named = isUnspecified(options.host) ? '127.0.0.1' : options.host;
  const at = (host: string, port: number): string => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);
  const brokerAddress = (connection: ServerConnection): string => {
    // Listening on all addresses, the one that a client came in by is the one that it can reach.
    const host = isUnspecified(options.host) ? connection.local.replace(/:\d+$/, '') : at(named, 0).replace(/:0$/, '');
    return `${host}:${broker.port}`;
  };
  const running = await startEngine(
    options,
    at(named === 'localhost' ? '127.0.0.1' : named, broker.port),
    brokerAddress,
  );
  const dispatcher = new Dispatcher(running.engine, tables);
  door.open((request, connection) => dispatcher.dispatch(request, connection));
  let closed: Promise<void> | undefined;
  return {
    nameServer: at(named, nameServer.port),
    brokerAddress: at(named, broker.port),
    engine: running.engine,
    close: () => (closed ??= close(running, { nameServer, broker, door })),
  };
}

async function close(running: RunningEngine, { nameServer, broker, door }: Ports): Promise<void> {
  door.close();
  await running.close();
  // What was answered last is on its way in the next turn.
  await nextTurn();
  await Promise.all([nameServer.close(), broker.close()]);
}

function openListener(options: BrokerOptions, port: number, door: Door): Promise<Listener> {
  const { host, connectionCountMax, log } = options;
  const onRequest = (request: Command, connection: ServerConnection) => door.pass(request, connection);
  return Listener.open({ host, port, connectionCountMax, log, onRequest });
}

type Dispatch = (request: Command, connection: ServerConnection) => Answer | Promise<Answer>;

/** Requests that come before the engine is ready, or while it ends, are asked to come again. */
class Door {
  #dispatch: Dispatch = notReady;

  open(dispatch: Dispatch): void {
    this.#dispatch = dispatch;
  }

  close(): void {
    this.#dispatch = notReady;
  }

  pass(request: Command, connection: ServerConnection): Answer | Promise<Answer> {
    return this.#dispatch(request, connection);
  }
}

function notReady(): Answer {
  return { code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: 'the broker is starting or ending: try again' };
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
