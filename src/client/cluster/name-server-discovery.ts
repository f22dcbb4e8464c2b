import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import { parseNameServers } from './addresses.ts';

/** How often the list is asked for again, in ms; what Java's `MQClientInstance` does. */
export const discoveryIntervalMs = 120_000;
/** Longest wait for one answer, in ms; Java's `DefaultTopAddressing` waits as long. */
export const discoveryTimeoutMs = 3_000;
/** Longest answer that is read, in bytes. */
export const discoveryBytesMax = 65_536;

export interface NameServerDiscoveryOptions {
  /** Answers a GET with a line of name servers, `host:9876;host:9876`. */
  readonly url: string;
  /** Used until the list is known; may be empty. */
  readonly nameServers: readonly string[];
  /** May an address out of the list be dialled? The others are left out. */
  readonly nameServerAllowed: (address: string) => boolean;
  readonly log: ClientLog;
}

/** The name servers that a web server lists (Java `TopAddressing`). The list is asked for on first use, then every 2 min. */
export class NameServerDiscovery {
  readonly #options: NameServerDiscoveryOptions;
  readonly #closing = new AbortController();
  #known: readonly string[] | undefined;
  #asking: Promise<readonly string[]> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NameServerDiscoveryOptions) {
    this.#options = options;
  }

  /**
   * The newest list; waits only for the first.
   * @throws RemotingError `connect` when there is none yet, and no other name servers either; `timeout`, `cancelled`; ClientError `closed`.
   */
  async addresses(deadline: Deadline): Promise<readonly string[]> {
    if (this.#closing.signal.aborted) throw new ClientError('closed', 'the client has been closed');
    if (this.#known !== undefined) return this.#known;
    this.#timer ??= setInterval(() => void this.#refresh(), discoveryIntervalMs).unref();
    try {
      return await deadline.wait(this.#ask(), 'looking up the name servers');
    } catch (error) {
      deadline.check('looking up the name servers');
      if (this.#closing.signal.aborted) throw new ClientError('closed', 'the client has been closed', error);
      const { nameServers } = this.#options;
      if (nameServers.length > 0) return nameServers;
      throw error;
    }
  }

  close(): void {
    this.#closing.abort();
    clearInterval(this.#timer);
  }

  /** What is known stays while there is no newer list to be had. */
  async #refresh(): Promise<void> {
    await this.#ask().catch((err: unknown) => {
      if (!this.#closing.signal.aborted)
        this.#options.log.warn({ err }, 'the list of name servers could not be had; going on with the last one');
    });
  }

  /** Shared by all who wait. */
  #ask(): Promise<readonly string[]> {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = undefined;
    });
    // Every waiter may have left by the time it fails.
    this.#asking.catch(() => {});
    return this.#asking;
  }

  async #fetch(): Promise<readonly string[]> {
    const { url, nameServerAllowed } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(discoveryTimeoutMs)]);
    try {
      // Led elsewhere, it might ask what this process can reach and its operator did not mean.
      const response = await fetch(url, { signal, redirect: 'error' });
      if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
      const [line = ''] = (await readText(response)).trim().split(/[\r\n]/, 1);
      const listed = parseNameServers(line).map(({ address }) => address);
      const allowed = listed.filter((address) => nameServerAllowed(address));
      if (allowed.length === 0) throw new Error('none of the name servers that it lists is allowed');
      this.#known = allowed;
      return allowed;
    } catch (cause) {
      throw new RemotingError('connect', `${placeOf(url)} gives no list of name servers: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }
}

/** @throws Error when it is longer than a list can be. */
async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > discoveryBytesMax) throw new Error(`its answer is longer than ${discoveryBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Without user, password and query, in which there may be secrets. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the URL of the name servers';
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it failed';
  if (cause.name === 'TimeoutError') return `no answer in ${discoveryTimeoutMs} ms`;
  // What `fetch` says of a connection is in its cause.
  return cause.cause instanceof Error && 'code' in cause.cause ? String(cause.cause.code) : cause.message;
}
