import { lookup as systemLookup } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Channel, type ChannelOptions } from './channel.ts';
import { connectionFailure } from './connection-failures.ts';
import type { Deadline } from './deadline.ts';
import { RemotingError } from './errors.ts';
import { ReusedReads } from './reused-reads.ts';

/**
 * How to connect by TLS 1.2 or newer; `{}` will do where certificates are of a public authority. As in `node:tls`: `ca` has the
 * authorities to be trusted instead of the public ones; `cert`, `key` and `passphrase` are shown to servers that want to know who asks
 * (mutual TLS); `servername` is the name that servers are asked for (SNI) and their certificate must be for, unset the host that is
 * connected to. `rejectUnauthorized: false` takes any certificate, so that anybody on the way can be the server: for tests only.
 */
export type TlsOptions = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'servername' | 'rejectUnauthorized'
>;

export interface DialOptions extends ChannelOptions {
  /** Longest time for one connection to be made, in ms; official clients use 3,000. */
  readonly connectTimeoutMs: number;
  /** TLS instead of plain TCP; both sides of RocketMQ serve the two on one port. */
  readonly tls?: TlsOptions | undefined;
  /** Finds the addresses of a name; all are tried, one after the other. Default: the system's way. */
  readonly lookup?: LookupFunction | undefined;
  /**
   * May an IP address be connected to that the name in `address` stands for now? Asked for each, whenever a connection is made, and not
   * where `address` has an IP address itself. Default: any may.
   */
  readonly ipAllowed?: ((ip: string, address: string) => boolean) | undefined;
}

export const connectTimeoutMsDefault = 3_000;
const keepAliveDelayMs = 15_000;
/** How long one address of a name may keep the next one waiting, in ms; the last has the time that is left. */
const addressTimeoutMs = 500;

/**
 * Opens a channel to `host:port` (an IPv6 host in brackets).
 * @throws RemotingError `connect` when nobody answers there, or not in time, or not by TLS as asked for; `cancelled`, and
 * `timeout` when no time was left to begin with; `malformed` when the text is no address.
 */
export async function dial(address: string, options: DialOptions, deadline: Deadline): Promise<Channel> {
  const { host, port } = splitAddress(address);
  const { tls, connectTimeoutMs } = options;
  deadline.check(`connecting to ${address}`);
  const target = {
    ...{ host, port, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: addressTimeoutMs },
    lookup: allowedLookup(address, options),
  };
  // Behind TLS, Node reads into buffers of its own.
  const reads = tls === undefined ? new ReusedReads() : undefined;
  const socket =
    reads === undefined
      ? connectTls({ ...tlsDefaults(host), ...tls, ...target })
      : connect({ ...target, onread: reads.onread });
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
  return new Channel(socket, address, options, reads);
}

/** Finds addresses and leaves out those that are not allowed: the socket connects to what this returns and looks up nothing itself. */
function allowedLookup(
  address: string,
  { lookup = systemLookup, ipAllowed = () => true }: Pick<DialOptions, 'lookup' | 'ipAllowed'>,
): LookupFunction {
  return (name, options, done) =>
    lookup(name, { ...options, all: true }, (error, found, family) => {
      if (error !== null) return done(error, []);
      const all = typeof found === 'string' ? [{ address: found, family: family ?? isIP(found) }] : found;
      const allowed = all.filter((each) => ipAllowed(each.address, address));
      if (allowed.length > 0 || all.length === 0) return done(null, allowed);
      done(new RemotingError('connect', 'its name stands for addresses that are not allowed', { address }), []);
    });
}

function tlsDefaults(host: string): ConnectionOptions {
  // Node asks servers for no name unless told one, and checks certificates for the host all the same. Addresses are no names.
  return { minVersion: 'TLSv1.2', ...(isIP(host) === 0 ? { servername: host } : {}) };
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
  if (!(cause instanceof RemotingError)) return connectionFailure(cause);
  return cause.kind === 'timeout' ? 'no answer in time' : cause.message;
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
