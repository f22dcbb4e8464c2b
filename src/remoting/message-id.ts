import { randomBytes } from 'node:crypto';
import { RemotingError } from './errors.ts';
import { encodeStoredHost, readStoredHost, storedHostBytes } from './stored-host.ts';

export interface MessageIdSource {
  /** Wall clock, in ms. Default: `Date.now`. */
  readonly now?: () => number;
  /** Random bytes. Default: those of the operating system. */
  readonly random?: (count: number) => Buffer;
}

/** Ids that one millisecond has room for. */
const idsPerMillisecond = 0x1_0000;

/**
 * Makes a generator of message ids (property UNIQ_KEY) in the layout of Java `MessageClientIDSetter`, 32 hex digits: address 4,
 * process id 2, hash 4, ms since the local month began 4, counter 2. The address is a random one, since a true one would tell every
 * reader of a message where its producer runs; with the hash it makes 64 random bits per generator, drawn again each month because
 * the time starts over. Within a generator no id comes twice, even when the clock is set back.
 */
export function createMessageIds({ now = Date.now, random = randomBytes }: MessageIdSource = {}): () => string {
  let monthStartMs = 0;
  let nextMonthStartMs = Number.NEGATIVE_INFINITY;
  let prefix = '';
  let spanMs = 0;
  let idsInSpan = 0;
  let counter = 0;

  const startMonth = (nowMs: number): void => {
    const date = new Date(nowMs);
    monthStartMs = new Date(date.getFullYear(), date.getMonth(), 1).getTime();
    nextMonthStartMs = new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime();
    prefix = hex(random(4)) + digits(process.pid, 4) + hex(random(4));
    spanMs = 0;
    idsInSpan = 0;
  };

  return () => {
    const nowMs = now();
    if (nowMs >= nextMonthStartMs) startMonth(nowMs);
    const elapsedMs = Math.max(spanMs, nowMs - monthStartMs);
    if (elapsedMs > spanMs || idsInSpan === idsPerMillisecond) {
      spanMs = Math.max(elapsedMs, spanMs + 1);
      idsInSpan = 0;
    }
    idsInSpan += 1;
    counter = (counter + 1) % idsPerMillisecond;
    return prefix + digits(spanMs, 8) + digits(counter, 4);
  };
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase();
}

/** The low `count` hex digits of a number. */
function digits(value: number, count: number): string {
  return value.toString(16).toUpperCase().padStart(count, '0').slice(-count);
}

/** What an offset message id names: a broker and a place in its commit log. */
export interface OffsetMessageId {
  /** `ip:port` or `[ip]:port`. It is what a peer claims: check it against the route, never dial it. */
  readonly storeHost: string;
  readonly commitLogOffset: bigint;
}

/**
 * Reads the id that brokers give a stored message: hex of address 4 or 16, port 4, commit log offset 8
 * (Java `MessageDecoder.decodeMessageId`).
 * @throws RemotingError `malformed`.
 */
export function decodeOffsetMessageId(id: string): OffsetMessageId {
  if (!/^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{56})$/.test(id)) {
    throw new RemotingError('malformed', 'an offset message id has 32 or 56 hex digits');
  }
  const bytes = Buffer.from(id, 'hex');
  const v6 = id.length === 56;
  return {
    storeHost: readStoredHost(bytes, 0, v6),
    commitLogOffset: bytes.readBigInt64BE(storedHostBytes(v6)),
  };
}

/** Makes the ids that `decodeOffsetMessageId` reads, for messages of one broker. @param storeHost `ip:port` or `[ip]:port`. */
export function createOffsetMessageIds(storeHost: string): (commitLogOffset: number) => string {
  const prefix = hex(encodeStoredHost(storeHost));
  return (commitLogOffset) => prefix + digits(commitLogOffset, 16);
}
