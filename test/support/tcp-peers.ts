/** TCP servers on free ports of the loopback interface, for tests of what endpoints may do. */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

/** A server to be closed. */
export interface TcpPeer {
  /** `host:port`. */
  readonly address: string;
  close(): void;
}

const host = '127.0.0.1';

async function listen(server: Server): Promise<string> {
  server.listen(0, host);
  await once(server, 'listening');
  return `${host}:${(server.address() as AddressInfo).port}`;
}

async function startPeer(serve: (socket: Socket) => void): Promise<TcpPeer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  const address = await listen(server);
  return {
    address,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Accepts connections, reads, and never says a word. */
export function startSilentPeer(): Promise<TcpPeer> {
  return startPeer((socket) => socket.resume());
}

/** Answers whatever it is sent with the same bytes, which are no RocketMQ. */
export function startEcho(): Promise<TcpPeer> {
  return startPeer((socket) => socket.pipe(socket));
}

/** An address at which nobody listens. */
export async function closedAddress(): Promise<string> {
  const peer = await startSilentPeer();
  peer.close();
  return peer.address;
}

/** A way to a server that can be shut and opened again. */
export interface Gateway extends TcpPeer {
  /** Shut: connections that exist are cut, new ones too. */
  open: boolean;
}

/** @param target `host:port` that its connections go to. */
export async function startGateway(target: string): Promise<Gateway> {
  const [targetHost = host, port = ''] = target.split(':');
  const cuts = new Set<() => void>();
  let isOpen = true;
  const peer = await startPeer((near) => {
    if (!isOpen) {
      near.destroy();
      return;
    }
    const far = createConnection({ host: targetHost, port: Number(port) });
    const cut = (): void => {
      cuts.delete(cut);
      near.destroy();
      far.destroy();
    };
    cuts.add(cut);
    for (const socket of [near, far]) socket.on('error', cut).on('close', cut);
    near.pipe(far).pipe(near);
  });
  return {
    ...peer,
    get open() {
      return isOpen;
    },
    set open(open) {
      isOpen = open;
      if (!open) for (const cut of [...cuts]) cut();
    },
  };
}
