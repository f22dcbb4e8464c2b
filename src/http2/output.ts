import type { Socket } from 'node:net';
import { type BufferPool, pooledBufferBytes } from './buffer-pool.ts';

interface HandedBuffer {
  readonly buffer: Buffer;
  readonly bytes: number;
}

const nothing: Buffer = Buffer.alloc(0);

/** Longest that something in no hurry waits for company, in ms. */
const lateMsMax = 10;

/**
 * What one connection sends: frames are written into one buffer, which leaves at the end of the turn of the event loop, so that all answers of
 * a turn share one system call.
 */
export class Output {
  /** Where `room` is: write there, then say by `advance` how far. */
  buffer = nothing;
  #end = 0;
  readonly #socket: Socket;
  readonly #pool: BufferPool;
  readonly #onLeft: () => void;
  /** Buffers that the socket reads, in their order. */
  readonly #handed: HandedBuffer[] = [];
  #handedBytes = 0;
  /** All bytes that have left. */
  #leftBytes = 0;
  #isScheduled = false;
  #lateTimer: NodeJS.Timeout | undefined;

  /** @param onLeft Told whenever bytes have left. */
  constructor(socket: Socket, pool: BufferPool, onLeft: () => void) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onLeft = onLeft;
  }

  /** Bytes that wait for the network. */
  get unsentBytes(): number {
    return this.#handedBytes + this.#end;
  }

  /** All bytes that the network has taken. */
  get leftBytes(): number {
    return this.#leftBytes;
  }

  /**
   * Makes sure that so many bytes can be written into `buffer`. @param bytes At most `pooledBufferBytes`.
   * @returns Where to write them.
   */
  room(bytes: number): number {
    if (this.#end + bytes > this.buffer.length) this.#grow(bytes);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#flushTurn);
    }
    return this.#end;
  }

  /** As `room`, for what is in no hurry: it leaves with what is written next, or 10 ms later, and so costs no system call of its own. */
  lateRoom(bytes: number): number {
    if (this.#end + bytes > this.buffer.length) this.#grow(bytes);
    if (!this.#isScheduled) this.#lateTimer ??= setTimeout(this.#flushLate, lateMsMax).unref();
    return this.#end;
  }

  /** @param end Behind the last byte that was written. */
  advance(end: number): void {
    this.#end = end;
  }

  /** Hands the socket what was written. */
  flush(): void {
    if (this.#end === 0) return;
    const { buffer } = this;
    const bytes = this.#end;
    this.buffer = nothing;
    this.#end = 0;
    if (!this.#socket.writable) {
      this.#pool.give(buffer);
      return;
    }
    this.#handed.push({ buffer, bytes });
    this.#handedBytes += bytes;
    this.#socket.write(bytes === buffer.length ? buffer : buffer.subarray(0, bytes), this.#written);
  }

  /** Goes on in a larger buffer, or in another one. */
  #grow(bytes: number): void {
    const { buffer } = this;
    const end = this.#end;
    if (end > 0 && end + bytes <= pooledBufferBytes) {
      this.buffer = this.#pool.take(end + bytes);
      buffer.copy(this.buffer, 0, 0, end);
      this.#pool.give(buffer);
      return;
    }
    this.flush();
    this.buffer = this.#pool.take(bytes);
  }

  readonly #flushTurn = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  readonly #flushLate = (): void => {
    this.#lateTimer = undefined;
    this.flush();
  };

  /** A socket is done with its buffers in their order, also where it fails. */
  readonly #written = (): void => {
    const done = this.#handed.shift();
    if (done === undefined) return;
    this.#pool.give(done.buffer);
    this.#handedBytes -= done.bytes;
    this.#leftBytes += done.bytes;
    this.#onLeft();
  };
}
