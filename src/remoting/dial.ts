import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Channel, type ChannelOptions } from './channel.ts';
import type { Deadline } from './deadline.ts';
import { RemotingError } from './errors.ts';

/** How to connect by TLS: certificate authorities, client certificate and key, server name. Certificates are verified. */
export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'>;

export interface DialOptions extends ChannelOptions {
  /** Longest time for one connection to be made, in ms; official clients use 3,000. */
  readonly connectTimeoutMs: number;
  /** TLS instead of plain TCP; both sides of RocketMQ serve the two on one port. */
  readonly tls?: TlsOptions | undefined;
}

export const connectTimeoutMsDefault = 3_000;
const keepAliveDelayMs = 15_000;

/**
 * Opens a channel to `host:port` (an IPv6 host in brackets).
 * @throws RemotingError `connect` when nobody answers there, or not in time, or not by TLS as asked for; `cancelled`, and
 * `timeout` when no time was left to begin with; `malformed` when the text is no address.
 */
export async function dial(address: string, options: DialOptions, deadline: Deadline): Promise<Channel> {
  const { host, port } = splitAddress(address);
  const { tls, connectTimeoutMs } = options;
  deadline.check(`connecting to ${address}`);
  const socket = tls === undefined ? connect({ host, port }) : connectTls({ ...tls, host, port });
  try {
    await deadline
      .atMost(connectTimeoutMs)
      .wait(connected(socket, tls === undefined ? 'connect' : 'secureConnect'), `connecting to ${address}`);
  } catch (cause) {
    socket.destroy();
    if (cause instanceof RemotingError && cause.kind === 'cancelled') throw cause;
    throw new RemotingError('connect', `cannot connect to ${address}: ${reasonOf(cause)}`, { address, cause });
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveDelayMs);
  return new Channel(socket, address, options);
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    // The error listener stays: a socket that fails after its deadline must not end the process.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once(event, resolve);
  });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof RemotingError) return 'no answer in time';
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection was refused';
}

/** @throws RemotingError `malformed` when the text is not `host:port`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new RemotingError('malformed', `${JSON.stringify(address)} is not host:port`, { address });
  }
  return { host, port };
}
