import { randomBytes } from 'node:crypto';
import type { NetworkInterfaceInfo } from 'node:os';

/** Where the process that handed out a message is to be asked about it. */
export interface PeerAddress {
  /** Names one process for as long as it lives. */
  readonly id: string;
  /** `host:port` of its status port. */
  readonly address: string;
}

const idBytes = 8;

/** This process as others know it: receipt handles say by whom they were handed out. */
export class Instance {
  readonly id = randomBytes(idBytes).toString('base64url');
  #text = '';

  /** @param address `host:port` of the status port that asks this process; until this is known, nobody asks it. */
  reachableAt(address: string): void {
    this.#text = `${this.id}@${address}`;
  }

  /** What goes into a handle; '' where nobody can ask this process. */
  get text(): string {
    return this.#text;
  }
}

/** Undefined for '' and for what is no such text. */
export function readPeerAddress(text: string): PeerAddress | undefined {
  const at = text.indexOf('@');
  return at > 0 ? { id: text.slice(0, at), address: text.slice(at + 1) } : undefined;
}

/**
 * Where others on the network reach a port that listens on this host: for all addresses of the machine, its first one that others may
 * know; IPv4 goes first.
 * @param interfaces the machine's own, as `networkInterfaces` of Node tells them.
 */
export function reachableHost(host: string, interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const outer = Object.values(interfaces).flatMap((each = []) => each.filter(({ internal }) => !internal));
  const usable = outer.filter(({ family, address }) => family === 'IPv4' || (host === '::' && !isLinkLocal(address)));
  const found = usable.find(({ family }) => family === 'IPv4') ?? usable[0];
  return found?.address ?? '127.0.0.1';
}

function isLinkLocal(address: string): boolean {
  return address.toLowerCase().startsWith('fe80:');
}
