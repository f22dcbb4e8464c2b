import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** Where a server listens, and which settings say so. */
export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The variable that sets the port, for the message when it cannot be had. */
  readonly portSetting: string;
}

/** A port that cannot be listened on. Says what to set; `cause` is the system's error. */
export class ListenError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ListenError';
  }
}

/**
 * Starts a server.
 * @returns the port that it listens on.
 * @throws ListenError
 */
export async function listen(server: Server, address: ListenAddress): Promise<number> {
  const { host, port, portSetting } = address;
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    throw new ListenError(`cannot listen on ${host}, port ${port}: ${adviceFor(error, portSetting)}`, error);
  }
  // From here on an error is one connection that could not be accepted, such as for want of file descriptors.
  server.on('error', () => {});
  // A server on a port has an AddressInfo; only pipes have a name instead.
  return (server.address() as AddressInfo).port;
}

/**
 * The port that can be listened on just now, for who lets others listen on it.
 * @throws ListenError
 */
export async function findPort(address: ListenAddress): Promise<number> {
  const server = createServer();
  const port = await listen(server, address);
  server.close();
  await once(server, 'close');
  return port;
}

function adviceFor(error: unknown, portSetting: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `another program has this port; set ${portSetting} to a free one, or to 0 for any`;
    case 'EACCES':
      return `this user may not; set ${portSetting} to a port above 1023`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'PROXY_HOST is not an address of this machine';
    default:
      return String(error);
  }
}
