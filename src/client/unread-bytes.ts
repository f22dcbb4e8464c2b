import type { Cancellation } from '../basics/ending.ts';
import { UnreadQueue } from './unread-queue.ts';

/** How often it is looked whether readers go on, in ms. */
export const lookIntervalMs = 500;
/** A reader that so many looks in a row found where it was has stalled: after 2 to 2.5 s. */
export const stalledLooks = 5;
/** What a message is taken for as long as its stream has brought none, in bytes. */
export const messageBytesMax = 4_194_304;
/** Bytes that one request for messages shall bring at most, and that are in hand while more is asked for; one message may be larger. */
export const batchBytesMax = 4_194_304;

interface Waiting {
  readonly who: UnreadStream | UnreadQueue;
  readonly bytes: number;
  readonly resolve: (isThere: boolean) => void;
}

/**
 * One bound for what all streams together have taken from brokers and their readers have not read. Where it is reached, streams, and
 * queues that are read by pull, wait before they take more; who needs little mostly need not. While one waits, queues of which nobody takes
 * let go of what they hold; if that is not enough, streams whose readers have stalled are ended, the longest first.
 */
export class UnreadBytes {
  readonly #bytesMax: number;
  readonly #streams = new Set<UnreadStream>();
  readonly #queues = new Set<UnreadQueue>();
  #waiting: Waiting[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #streamBudget: Budget = {
    change: (bytes) => this.#change(bytes),
    room: (stream, bytes) => this.#room(stream, bytes),
    closed: (stream) => this.#forget(stream),
  };

  /** @param bytesMax of bodies; those of requests under way count with what they may bring. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isBounded(): boolean {
    return Number.isFinite(this.#bytesMax);
  }

  /** What is taken, or may come. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Streams and queues that wait for room. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * @param signal ends the stream: whatever it has is gone.
   * @param onStalled is to end it: its reader has stalled, and others wait for the room.
   */
  open(signal: Cancellation, onStalled: () => void): UnreadStream {
    const stream = new UnreadStream(onStalled, this.#streamBudget);
    this.#streams.add(stream);
    this.#timer ??= setInterval(() => this.#look(), lookIntervalMs).unref();
    const close = (): void => {
      signal.removeEventListener('abort', close);
      stream.close();
    };
    if (signal.aborted) close();
    else signal.addEventListener('abort', close);
    return stream;
  }

  /** @param onShed is to let go of what the queue holds: nobody takes of it, and others wait for the room. */
  openQueue(onShed: () => void): UnreadQueue {
    const queue: UnreadQueue = new UnreadQueue(onShed, {
      change: (bytes) => this.#change(bytes),
      fits: (bytes) => this.#fits(bytes),
      room: (bytes) => this.#room(queue, bytes),
      closed: () => {
        this.#queues.delete(queue);
        this.#leave(queue);
      },
    });
    this.#queues.add(queue);
    return queue;
  }

  #change(bytes: number): void {
    this.#bytes += bytes;
    if (bytes < 0) this.#letIn();
  }

  /** Counts the bytes once they fit. What is larger than all that may be there comes alone. False when who asks has closed. */
  #room(who: Waiting['who'], bytes: number): Promise<boolean> | true {
    if (this.#fits(bytes)) {
      this.#bytes += bytes;
      return true;
    }
    return new Promise((resolve) => {
      this.#waiting.push({ who, bytes, resolve });
    });
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }

  #letIn(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter(({ bytes, resolve }) => {
      if (!this.#fits(bytes)) return true;
      this.#bytes += bytes;
      resolve(true);
      return false;
    });
  }

  #forget(stream: UnreadStream): void {
    this.#streams.delete(stream);
    this.#leave(stream);
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #leave(who: Waiting['who']): void {
    const gone = this.#waiting.filter((waiting) => waiting.who === who);
    this.#waiting = this.#waiting.filter((waiting) => waiting.who !== who);
    for (const { resolve } of gone) resolve(false);
  }

  /** Looks are counted, and not the time: a process that stood still has no reader to blame. */
  #look(): void {
    for (const one of [...this.#streams, ...this.#queues]) one.look();
    for (const queue of stalledOf(this.#queues)) if (this.#isShort) queue.shed();
    for (const stream of stalledOf(this.#streams)) if (this.#isShort) stream.end();
  }

  get #isShort(): boolean {
    return this.#waiting.length > 0 || this.#bytes > this.#bytesMax;
  }
}

/** Those that have stalled, the longest first. */
function stalledOf<T extends { readonly looks: number }>(all: ReadonlySet<T>): readonly T[] {
  return [...all].filter(({ looks }) => looks >= stalledLooks).sort((one, other) => other.looks - one.looks);
}

/** A message as it came from a broker. */
export interface TakenMessage {
  readonly stored: { readonly body: Buffer };
}

/** Of all streams. */
interface Budget {
  readonly change: (bytes: number) => void;
  readonly room: (stream: UnreadStream, bytes: number) => Promise<boolean> | true;
  readonly closed: (stream: UnreadStream) => void;
}

/** What one stream has taken, and how its reader goes on. */
export class UnreadStream {
  readonly #onStalled: () => void;
  readonly #budget: Budget;
  /** Taken, and not handed out. */
  #inHandBytes = 0;
  /** Handed out, and not read. */
  #givenBytes = 0;
  #looks = 0;
  #isClosed = false;
  /** Of the largest in the last batch. */
  #messageBytes = messageBytesMax;
  /** Of the last that had to be unpacked. */
  #unpackedBytes = messageBytesMax;

  constructor(onStalled: () => void, budget: Budget) {
    this.#onStalled = onStalled;
    this.#budget = budget;
  }

  /** How often in a row it was seen that the reader did not go on with what is there. */
  get looks(): number {
    return this.#looks;
  }

  /** Whether there is so little that more may be asked for before the reader wants it. */
  get mayTakeAhead(): boolean {
    // Where nothing is given to the reader, the first in hand soon will be.
    return this.#inHandBytes + (this.isReading ? this.#messageBytes : 0) <= batchBytesMax;
  }

  /** Whether the reader has stood still for so long that nothing more is taken for it. */
  get isStalled(): boolean {
    return this.#looks >= stalledLooks;
  }

  /** Whether the reader has not read what it was given last. */
  get isReading(): boolean {
    return this.#givenBytes > 0;
  }

  /** How many messages to ask for at once, by the size of the last ones. */
  countOf(countMax: number): number {
    return Math.max(1, Math.min(countMax, Math.floor(batchBytesMax / Math.max(1, this.#messageBytes))));
  }

  /**
   * Takes messages once there is room for them.
   * @param count at most `countOf` says.
   * @param take resolves with what has come.
   * @returns false when the stream has been closed: nothing was taken.
   */
  async take(count: number, take: () => Promise<readonly TakenMessage[]>): Promise<boolean> {
    const expectedBytes = count * this.#messageBytes;
    if (!(await this.#enter(expectedBytes))) return false;
    let takenBytes = 0;
    try {
      const sizes = (await take()).map(({ stored }) => stored.body.length);
      if (sizes.length > 0) this.#messageBytes = Math.max(...sizes);
      if (!this.#isClosed) takenBytes = sizes.reduce((sum, bytes) => sum + bytes, 0);
      this.#inHandBytes += takenBytes;
    } finally {
      this.#budget.change(takenBytes - expectedBytes);
    }
    return true;
  }

  /**
   * Unpacks a message for the reader once there is room for what may come of it. What it was packed in is still to be dropped.
   * @param unpack undefined for a message that cannot be read.
   * @returns undefined for such a one, and when the stream has been closed.
   */
  async unpack<T extends { readonly body: Buffer }>(unpack: () => Promise<T | undefined>): Promise<T | undefined> {
    const expectedBytes = this.#unpackedBytes;
    if (!(await this.#enter(expectedBytes))) return undefined;
    const message = await unpack();
    if (message !== undefined) this.#unpackedBytes = message.body.length;
    const givenBytes = this.#isClosed ? 0 : (message?.body.length ?? 0);
    this.#give(givenBytes);
    this.#budget.change(givenBytes - expectedBytes);
    return message;
  }

  /** A message in hand is given to the reader. */
  give(bytes: number): void {
    if (this.#isClosed) return;
    this.#inHandBytes -= bytes;
    this.#give(bytes);
  }

  /** A message that a queue still counts is given to the reader. */
  giveOfQueue(bytes: number): void {
    if (this.#isClosed) return;
    this.#give(bytes);
    this.#budget.change(bytes);
  }

  /** A message is no longer in hand, and nobody gets it as it is. */
  drop(bytes: number): void {
    if (this.#isClosed) return;
    this.#inHandBytes -= bytes;
    this.#budget.change(-bytes);
  }

  /** The reader has taken some of what it was given. */
  progressed(): void {
    this.#looks = 0;
  }

  /** The reader has read all that it was given. */
  read(): void {
    this.#looks = 0;
    if (this.#givenBytes === 0) return;
    const bytes = this.#givenBytes;
    this.#givenBytes = 0;
    this.#budget.change(-bytes);
  }

  look(): void {
    this.#looks = this.#givenBytes > 0 ? this.#looks + 1 : 0;
  }

  end(): void {
    this.#onStalled();
    this.close();
  }

  /** Whatever the stream has is gone. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#budget.closed(this);
    this.#budget.change(-this.#inHandBytes - this.#givenBytes);
    this.#inHandBytes = 0;
    this.#givenBytes = 0;
  }

  /** Waits for room. False when the stream has been closed. */
  async #enter(bytes: number): Promise<boolean> {
    if (this.#isClosed || !(await this.#budget.room(this, bytes))) return false;
    if (this.#isClosed) this.#budget.change(-bytes);
    return !this.#isClosed;
  }

  #give(bytes: number): void {
    this.#givenBytes += bytes;
    this.#looks = 0;
  }
}
