import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Command, Serialization } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { encodeCommand } from './encoded-command.ts';

/** The server's end of one connection: says what it received, sends what a test wants. */
export class ServerSide {
  readonly stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #received: Command[] = [];
  readonly #waiting: ((command: Command) => void)[] = [];

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      for (const frame of this.#decoder.push(chunk)) this.#take(decodeCommand(frame));
    });
    // Tests end connections in every rude way; what that does to this end is not their subject.
    stream.on('error', () => {});
  }

  #take(command: Command): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#received.push(command);
    else waiting(command);
  }

  /** The next command that has come, or comes. */
  next(): Promise<Command> {
    const command = this.#received.shift();
    return command === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(command);
  }

  send(command: Partial<Command>, serialization: Serialization = Serialization.JSON): void {
    for (const part of encodeCommand({ ...blankCommand, ...command }, serialization)) this.stream.write(part);
  }

  /** Answers a request with SUCCESS, unless told otherwise. */
  reply(request: Command, command: Partial<Command> = {}): void {
    this.send({ opaque: request.opaque, flag: 1, ...command });
  }
}

/** A command of a broker 5.3.3 with nothing in it. */
export const blankCommand: Command = {
  code: 0,
  opaque: 0,
  flag: 0,
  version: 479,
  language: 'NODE_JS',
  remark: undefined,
  extFields: {},
  body: Buffer.alloc(0),
};

/** A TCP server on a free port of the loopback address. */
export interface LoopbackServer {
  readonly server: Server;
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly port: number;
  /** The next connection that has been made, or is made. */
  accept(): Promise<Socket>;
  close(): Promise<void>;
}

export async function startLoopbackServer(host = '127.0.0.1'): Promise<LoopbackServer> {
  const server = createServer();
  const sockets = new Set<Socket>();
  const accepted: Socket[] = [];
  server.on('connection', (socket) => {
    sockets.add(socket);
    accepted.push(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    async accept() {
      while (accepted.length === 0) await once(server, 'connection');
      const [socket] = accepted.splice(0, 1);
      if (socket === undefined) throw new Error('no connection');
      return socket;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A connected pair of real sockets. */
export async function socketPair(server: LoopbackServer): Promise<{ near: Socket; far: Socket }> {
  const near = connect(server.port, '127.0.0.1');
  const [far] = await Promise.all([server.accept(), once(near, 'connect')]);
  return { near, far };
}
