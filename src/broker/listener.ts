import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Log } from '../log.ts';
import { type RequestHandler, ServerConnection, serverConnectionDefaults } from '../remoting/server-connection.ts';

/** How often connections are looked at for silence. */
const checkIntervalMs = 5_000;

/** A port cannot be listened on. */
export class BrokerListenError extends Error {
  readonly port: number;

  constructor(host: string, port: number, cause: unknown) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'it failed';
    super(`cannot listen on ${host}:${port}: ${reason === 'EADDRINUSE' ? 'another program does' : reason}`, { cause });
    this.name = 'BrokerListenError';
    this.port = port;
  }
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly connectionCountMax: number;
  readonly onRequest: RequestHandler;
  /** See `ServerConnectionOptions`. */
  readonly onDrained: (connection: ServerConnection) => void;
  readonly log: Log | undefined;
}

/** One port of the engine and its connections. */
export class Listener {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  readonly #connections = new Set<ServerConnection>();
  readonly #timer: NodeJS.Timeout;
  #port = 0;

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.connectionCountMax;
    this.#timer = setInterval(() => {
      for (const connection of this.#connections) connection.checkProgress();
    }, checkIntervalMs);
  }

  /** @throws BrokerListenError */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const { host, port } = options;
    try {
      const listening = once(listener.#server, 'listening');
      listener.#server.listen({ host, port });
      await listening;
      const address = listener.#server.address();
      if (typeof address === 'object' && address !== null) listener.#port = address.port;
    } catch (cause) {
      clearInterval(listener.#timer);
      throw new BrokerListenError(host, port, cause);
    }
    listener.#server.on('error', (error) => options.log?.error({ err: error }, 'a port of the engine failed'));
    return listener;
  }

  /** Also after the end, so that it can be taken again. */
  get port(): number {
    return this.#port;
  }

  get connections(): Iterable<ServerConnection> {
    return this.#connections;
  }

  /** Takes no more connections, and ends those that there are. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.close('was told to go: the engine ends');
    await closed;
  }

  #accept(socket: Socket): void {
    const { onRequest, onDrained, log } = this.#options;
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    if (remoteAddress === undefined || localAddress === undefined) {
      socket.destroy();
      return;
    }
    const peer = hostAndPort(remoteAddress, remotePort ?? 0);
    const connection = new ServerConnection(socket, peer, hostAndPort(localAddress, localPort ?? 0), {
      ...serverConnectionDefaults,
      onRequest,
      onDrained,
      onMistake: (error, { code }) => log?.error({ err: error, code }, 'a request failed by a mistake of the engine'),
    });
    this.#connections.add(connection);
    void connection.closed.then((reason) => {
      this.#connections.delete(connection);
      if (reason.cause !== undefined) log?.debug({ peer, reason: reason.message }, 'a connection to the engine ended');
    });
  }
}

/** `ip:port`, or `[ip]:port` for IPv6; an IPv4 address that came in IPv6 dress loses it. */
function hostAndPort(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  return isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}
