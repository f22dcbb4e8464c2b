import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Command, CommandFlag, isOneWay, isReply, Serialization } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { encodeCommand } from './encoded-command.ts';

/** What a peer answers; undefined: nothing, ever. */
export type Answer = Partial<Command> | undefined;
export type Script = (request: Command, connection: PeerConnection) => Answer | Promise<Answer>;

/** `MQVersion` ordinals of the brokers that a peer may pass for. */
export const peerVersions = { v4: 407, v5: 513, beforeBatchAck: 433 };

/** One connection of a client to a scripted peer. */
export class PeerConnection {
  readonly socket: Socket;
  readonly received: Command[] = [];
  readonly #version: number;
  #opaque = 0;

  constructor(socket: Socket, version: number) {
    this.socket = socket;
    this.#version = version;
  }

  /** Asks the client something; one-way, as brokers ask for transactions. */
  ask(command: Partial<Command>): void {
    this.#opaque += 1;
    this.#send({ flag: CommandFlag.ONE_WAY, opaque: this.#opaque, ...command });
  }

  answer(request: Command, answer: Partial<Command>): void {
    this.#send({ opaque: request.opaque, flag: CommandFlag.RESPONSE, ...answer });
  }

  #send(command: Partial<Command>): void {
    if (this.socket.destroyed) return;
    const whole: Command = { ...blank, version: this.#version, ...command };
    for (const part of encodeCommand(whole, Serialization.JSON, 2 ** 28)) this.socket.write(part);
  }
}

const blank: Command = {
  code: ResponseCode.SUCCESS,
  opaque: 0,
  flag: 0,
  version: 0,
  remark: undefined,
  extFields: {},
  body: Buffer.alloc(0),
};

/**
 * A name server or broker that answers as a test tells it, by request code, over real TCP. What it has no script for it answers
 * with SUCCESS.
 */
export class ScriptedPeer {
  /** Every request that came, one-way ones and replies to its own questions too, in order. */
  readonly received: Command[] = [];
  /** Every connection that was made, those that have ended too. */
  readonly connections: PeerConnection[] = [];
  /** By request: the header serialisation that it came in. */
  readonly serializations = new WeakMap<Command, number>();
  readonly #version: number;
  readonly #scripts = new Map<number, Script>();
  readonly #changes = new EventEmitter().setMaxListeners(0);
  #server: Server | undefined;
  #port = 0;

  private constructor(version: number) {
    this.#version = version;
  }

  static async start(version: number = peerVersions.v5): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(version);
    await peer.listen();
    return peer;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** From now on `code` is answered so. */
  on(code: number, script: Script): this {
    this.#scripts.set(code, script);
    return this;
  }

  /** Requests of one code that came so far. */
  requests(code: number): Command[] {
    return this.received.filter((command) => command.code === code && !isReply(command));
  }

  /** Request number `index` of a code, 0 the first, once it has come. */
  async request(code: number, index = 0): Promise<Command> {
    await this.until(() => this.requests(code).length > index);
    const request = this.requests(code)[index];
    if (request === undefined) throw new Error('no such request');
    return request;
  }

  /** Waits for something that changes when a request comes, or a connection is made or ends. */
  async until(happened: () => boolean): Promise<void> {
    while (!happened()) await once(this.#changes, 'change');
  }

  get openConnections(): readonly PeerConnection[] {
    return this.connections.filter(({ socket }) => !socket.destroyed);
  }

  /** Ends all connections, rudely. */
  dropConnections(): void {
    for (const { socket } of this.connections) socket.destroy();
  }

  /** Listens again, on the port that it had. */
  async listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Ends all connections and refuses new ones. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.dropConnections();
    server.close();
    await once(server, 'close');
  }

  #accept(socket: Socket): void {
    const connection = new PeerConnection(socket, this.#version);
    const decoder = new FrameDecoder();
    this.connections.push(connection);
    socket.on('error', () => {});
    socket.on('close', () => this.#changes.emit('change'));
    socket.on('data', (chunk: Buffer) => {
      // As a broker: bytes that make no sense end the connection.
      try {
        for (const frame of decoder.push(chunk)) {
          const command = decodeCommand(frame);
          this.serializations.set(command, frame.serialization);
          void this.#take(command, connection);
        }
      } catch {
        socket.destroy();
      }
    });
    this.#changes.emit('change');
  }

  async #take(command: Command, connection: PeerConnection): Promise<void> {
    this.received.push(command);
    connection.received.push(command);
    this.#changes.emit('change');
    if (isReply(command)) return;
    const script = this.#scripts.get(command.code);
    const answer = script === undefined ? {} : await script(command, connection);
    if (answer !== undefined && !isOneWay(command)) connection.answer(command, answer);
  }
}

/** A promise to be settled by hand. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
