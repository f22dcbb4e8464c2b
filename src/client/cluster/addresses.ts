import { isIPv6 } from 'node:net';
import { ClientError } from '../errors.ts';

/** Most name servers in one list. */
export const addressesMax = 16;

/** Longest address, `http://` included: a host name has at most 253 characters. */
export const addressCharsMax = 255;

/** Port of a name server where none is named; `NamesrvStartup` listens there. */
const nameServerPort = 9876;

/** One name server or broker, in the one spelling that stands for it. */
export interface ServerAddress {
  /** Lower case; IPv4 in four decimal parts, also where it came as IPv6; IPv6 shortened, without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, with brackets around IPv6: what a channel connects to. */
  readonly address: string;
}

/**
 * Reads `host:9876[;host:9876]`; `http://` or `https://` before an address and a slash behind it are taken, and so are commas and blanks
 * between addresses. The order is kept, repetitions are dropped.
 * @throws ClientError `invalid`, saying only why, such as `it is empty`.
 */
export function parseNameServers(text: string): ServerAddress[] {
  if (text.length > addressesMax * (addressCharsMax + 2)) throw malformed('it is too long');
  const texts = splitAddresses(text);
  if (texts.length === 0) throw malformed('it is empty');
  if (texts.length > addressesMax)
    throw malformed(`it names ${texts.length} addresses, at most ${addressesMax} are allowed`);
  const addresses = texts.map((one) => {
    const address = parseAddress(one);
    if (address === undefined) throw malformed(`${JSON.stringify(one.slice(0, 60))} is no host:port`);
    return address;
  });
  return addresses.filter(({ address }, index) => index === addresses.findIndex((other) => other.address === address));
}

/** The parts of a list that is separated by semicolons, commas or blanks. */
export function splitAddresses(text: string): string[] {
  return text.split(/[;,\s]+/).filter((one) => one !== '');
}

/** A host name, IPv4 or IPv6 in brackets, then perhaps a port; undefined for anything else. */
export function parseAddress(text: string): ServerAddress | undefined {
  if (text.length > addressCharsMax) return undefined;
  const parts = /^(?:https?:\/\/)?(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/i.exec(text);
  const host = parts?.[1] === undefined ? undefined : normalizeHost(parts[1]);
  const port = parts?.[2] === undefined ? nameServerPort : Number(parts[2]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port, address: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}` };
}

/**
 * One spelling per host. `URL` reads every form of IPv4 that the system's resolver takes (2130706433, 0x7f.1, 0177.0.0.1) and shortens
 * IPv6; IPv4 inside IPv6 is the IPv4 address, because that is where the connection goes.
 */
export function normalizeHost(text: string): string | undefined {
  if (!URL.canParse(`http://${text}`)) return undefined;
  const host = new URL(`http://${text}`).hostname.replace(/\.$/, '');
  const mapped = /^\[::ffff:([\da-f]{1,4}):([\da-f]{1,4})\]$/.exec(host);
  if (mapped?.[1] !== undefined && mapped[2] !== undefined) {
    const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  }
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === '' ? undefined : bare;
}

function malformed(why: string): ClientError {
  return new ClientError('invalid', why);
}
