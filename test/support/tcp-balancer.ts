import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

/** Gives connections to its targets in turn; who takes none is passed over. */
export class TcpBalancer {
  readonly #server: Server;
  readonly #targets: readonly string[];
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(server: Server, targets: readonly string[]) {
    this.#server = server;
    this.#targets = targets;
  }

  /** @param targets `host:port` each. */
  static async start(targets: readonly string[]): Promise<TcpBalancer> {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    const balancer = new TcpBalancer(server, targets);
    server.on('connection', (near) => {
      balancer.#turn += 1;
      balancer.#connect(near, balancer.#turn, targets.length);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return balancer;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connect(near: Socket, turn: number, triesLeft: number): void {
    const [host = '', port = ''] = (this.#targets[turn % this.#targets.length] ?? '').split(':');
    const far = createConnection({ host, port: Number(port), noDelay: true });
    const refused = (): void => {
      if (triesLeft > 1) this.#connect(near, turn + 1, triesLeft - 1);
      else near.destroy();
    };
    far.once('error', refused);
    far.once('connect', () => {
      far.off('error', refused);
      this.#join(near, far);
      this.#join(far, near);
      near.pipe(far);
      far.pipe(near);
    });
  }

  /** What ends one of them ends the other. */
  #join(one: Socket, other: Socket): void {
    this.#sockets.add(one);
    one.on('error', () => {});
    one.once('close', () => {
      this.#sockets.delete(one);
      // What it said last is on its way.
      other.end();
      setTimeout(() => other.destroy(), 1_000).unref();
    });
  }
}
