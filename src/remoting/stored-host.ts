import { isIPv4, isIPv6 } from 'node:net';
import { RemotingError } from './errors.ts';

const portBytes = 4;
const portMax = 65_535;

/** Bytes of an address with its port, as stored messages and offset message ids hold it. */
export function storedHostBytes(v6: boolean): number {
  return (v6 ? 16 : 4) + portBytes;
}

/**
 * Reads `ip:port` or `[ip]:port` from bytes that must be there; IPv6 addresses in their short form.
 * @throws RemotingError `malformed` on a port that does not exist.
 */
export function readStoredHost(bytes: Buffer, at: number, v6: boolean): string {
  const port = checkStoredHost(bytes, at, v6);
  return `${v6 ? readIPv6(bytes, at) : `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`}:${port}`;
}

/** The port of an address. @throws RemotingError `malformed` on one that does not exist. */
export function checkStoredHost(bytes: Buffer, at: number, v6: boolean): number {
  const port = bytes.readInt32BE(at + (v6 ? 16 : 4));
  if (port < 0 || port > portMax) throw new RemotingError('malformed', `${port} is not a port`);
  return port;
}

function readIPv6(bytes: Buffer, at: number): string {
  const groups: string[] = [];
  for (let group = 0; group < 8; group += 1) groups.push(bytes.readUInt16BE(at + 2 * group).toString(16));
  return shortIPv6(groups.join(':'));
}

/** The one short form of an IPv6 address, in brackets. */
function shortIPv6(address: string): string {
  return new URL(`http://[${address}]`).hostname;
}

/**
 * The bytes of `ip:port` or `[ip]:port`: 8 for IPv4, 20 for IPv6.
 * @throws RemotingError `malformed` on anything else, host names included.
 */
export function encodeStoredHost(host: string): Buffer {
  const colon = host.lastIndexOf(':');
  const port = host.slice(colon + 1);
  const address = addressBytes(host.slice(0, Math.max(0, colon)));
  if (address === undefined || !/^\d{1,5}$/.test(port) || Number(port) > portMax) {
    throw new RemotingError('malformed', `${JSON.stringify(host)} is not an IP address with a port`);
  }
  const bytes = Buffer.alloc(address.length + portBytes);
  bytes.set(address);
  bytes.writeInt32BE(Number(port), address.length);
  return bytes;
}

/**
 * Does what `encodeStoredHost` does, into bytes with room for 20.
 * @returns Where the address ends.
 */
export function writeStoredHost(host: string, bytes: Buffer, start: number): number {
  const end = writeIPv4Host(host, bytes, start);
  return end > 0 ? end : start + encodeStoredHost(host).copy(bytes, start);
}

const dot = 0x2e;
const colon = 0x3a;
const zero = 0x30;

/** Without making an object, since each message has two addresses. @returns 0 for all that is not plainly `ip:port` with IPv4. */
function writeIPv4Host(host: string, bytes: Buffer, start: number): number {
  let at = start;
  let value = 0;
  let digitCount = 0;
  for (let index = 0; index < host.length; index += 1) {
    const code = host.charCodeAt(index);
    if (code === (at < start + 3 ? dot : colon) && at < start + 4) {
      if (digitCount === 0 || value > 255) return 0;
      bytes[at] = value;
      at += 1;
      value = 0;
      digitCount = 0;
    } else {
      if (code < zero || code > zero + 9 || digitCount === 5) return 0;
      if (at < start + 4 && digitCount > 0 && value === 0) return 0;
      value = 10 * value + code - zero;
      digitCount += 1;
    }
  }
  if (at !== start + 4 || digitCount === 0 || value > portMax) return 0;
  return bytes.writeInt32BE(value, at);
}

function addressBytes(address: string): readonly number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number);
  if (!address.startsWith('[') || !address.endsWith(']')) return undefined;
  const inner = address.slice(1, -1);
  // A zone, as in fe80::1%eth0, means something on one machine only.
  if (!isIPv6(inner) || inner.includes('%')) return undefined;
  const [head = '', tail = ''] = shortIPv6(inner).slice(1, -1).split('::');
  const left = head.split(':').filter((group) => group !== '');
  const right = tail.split(':').filter((group) => group !== '');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
