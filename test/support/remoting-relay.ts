import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { type Command, isReply } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { type Frame, FrameDecoder, headerAt } from '../../src/remoting/frame.ts';

/** One frame on its way. */
export interface Passing {
  readonly command: Command;
  readonly from: 'client' | 'server';
  /** Of a reply what it answers, else the same. */
  readonly request: Command;
}

/** What becomes of a frame; one that is held goes on when it is released, behind those that came later. */
export type Fate = 'pass' | 'hold' | 'drop';

interface Held {
  readonly passing: Passing;
  readonly pass: () => void;
}

/** Stands between clients and a server, reads what they say, and decides about each frame. */
export class RemotingRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held: Held[] = [];
  /** Decides about every frame that comes from now on. */
  fateOf: (passing: Passing) => Fate = () => 'pass';

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target `host:port`. */
  static async start(target: string): Promise<RemotingRelay> {
    const server = createServer({ noDelay: true });
    const relay = new RemotingRelay(server);
    server.on('connection', (near) => relay.#accept(near, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets those of the held frames go that fit. */
  release(fits: (passing: Passing) => boolean): void {
    const released = this.#held.filter(({ passing }) => fits(passing));
    this.#held = this.#held.filter(({ passing }) => !fits(passing));
    for (const { pass } of released) pass();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket, target: string): void {
    const [host = '', port = ''] = target.split(':');
    const far = createConnection({ host, port: Number(port), noDelay: true });
    /** Those that wait for their replies, by who asked and number. */
    const requests = new Map<string, Command>();
    this.#direct('client', { near, far, requests });
    this.#direct('server', { near: far, far: near, requests });
  }

  #direct(from: Passing['from'], { near, far, requests }: Direction): void {
    const decoder = new FrameDecoder();
    this.#sockets.add(near);
    near.on('error', () => {});
    near.on('close', () => {
      this.#sockets.delete(near);
      far.destroy();
    });
    near.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        const command = decodeCommand(frame);
        const passing = { command, from, request: requestOf(command, from, requests) };
        const pass = (): void => writeFrame(far, frame);
        const fate = this.fateOf(passing);
        if (fate === 'pass') pass();
        else if (fate === 'hold') this.#held.push({ passing, pass });
      }
    });
  }
}

interface Direction {
  readonly near: Socket;
  readonly far: Socket;
  readonly requests: Map<string, Command>;
}

function requestOf(command: Command, from: Passing['from'], requests: Map<string, Command>): Command {
  const asker = isReply(command) === (from === 'client') ? 'server' : 'client';
  const key = `${asker} ${command.opaque}`;
  const request = isReply(command) ? (requests.get(key) ?? command) : command;
  if (isReply(command)) requests.delete(key);
  else requests.set(key, command);
  return request;
}

function writeFrame(socket: Socket, { bytes, headerStart, headerEnd, body }: Frame): void {
  if (socket.destroyed) return;
  socket.write(bytes.subarray(headerStart - headerAt, headerEnd));
  socket.write(body);
}
