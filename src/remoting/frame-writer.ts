import type { Duplex } from 'node:stream';
import { type Command, emptyBody, type Serialization } from './command.ts';
import { type Room, writeHead } from './command-codec.ts';

/** Bodies below this are copied behind their headers: one buffer for many frames is cheaper for a stream than many buffers. */
const copiedBytesMax = 4_095;
/** Least and most bytes of a buffer that frames are written into, one that is larger by itself aside. */
const bufferBytesMin = 4_096;
const bufferBytesMax = 65_536;

/** When what was written together leaves. Has `run` called once, later. */
export type WhenToLeave = (run: () => void) => void;

/** When nothing that runs now is left to do: for answers, which are made together. */
export const atEndOfTick: WhenToLeave = (run) => process.nextTick(run);

/**
 * Writes frames to a connection, one behind the other into one buffer; what is written within one turn of the event loop, or one tick of it,
 * leaves in one write. A buffer is never written to twice: streams may read it at any time.
 */
export class FrameWriter {
  readonly #stream: Duplex;
  readonly #frameBytesMax: number;
  readonly #whenToLeave: WhenToLeave;
  readonly #onLeft: (() => void) | undefined;
  readonly #room: { bytes: Buffer; at: number; reserve(bytesMax: number): void };
  /** Where in the room's buffer that begins which the stream does not have yet. */
  #startsAt = 0;
  /** Bytes that were written in this turn, and in the one before. */
  #turnBytes = 0;
  #lastTurnBytes = 0;
  #isScheduled = false;
  #isCorked = false;

  /** @param onLeft Called whenever something that was written has left. */
  constructor(stream: Duplex, frameBytesMax: number, whenToLeave: WhenToLeave, onLeft?: () => void) {
    this.#stream = stream;
    this.#frameBytesMax = frameBytesMax;
    this.#whenToLeave = whenToLeave;
    this.#onLeft = onLeft;
    this.#room = { bytes: emptyBody, at: 0, reserve: (bytesMax) => this.#reserve(bytesMax) };
  }

  /** Bytes that wait for the network. */
  get unsentBytes(): number {
    return this.#stream.writableLength + this.#gatheredBytes;
  }

  /** @throws RemotingError `malformed` when its frame is over the limit; nothing of it is then sent. */
  write(command: Command, serialization: Serialization): void {
    const { body } = command;
    const room: Room = this.#room;
    const end = writeHead(command, serialization, this.#frameBytesMax, room);
    this.#schedule();
    this.#advance(end);
    if (body.length > copiedBytesMax) {
      this.#pass(body);
      return;
    }
    if (body.length === 0) return;
    room.reserve(body.length);
    room.bytes.set(body, room.at);
    this.#advance(room.at + body.length);
  }

  /** Hands the stream what it does not have yet. */
  flush(): void {
    if (this.#gatheredBytes === 0) return;
    const { bytes, at } = this.#room;
    const start = this.#startsAt;
    this.#startsAt = at;
    this.#stream.write(bytes.subarray(start, at), this.#onLeft);
  }

  get #gatheredBytes(): number {
    return this.#room.at - this.#startsAt;
  }

  #advance(end: number): void {
    this.#turnBytes += end - this.#room.at;
    this.#room.at = end;
  }

  #reserve(bytesMax: number): void {
    if (this.#room.at + bytesMax <= this.#room.bytes.length) return;
    this.#cork();
    this.flush();
    // What a turn writes says how much the next ones may: quiet connections hold little.
    const expected = 2 * Math.max(this.#turnBytes, this.#lastTurnBytes);
    const wanted = Math.min(Math.max(expected, bufferBytesMin), bufferBytesMax);
    this.#room.bytes = Buffer.allocUnsafeSlow(Math.max(wanted, bytesMax));
    this.#room.at = 0;
    this.#startsAt = 0;
  }

  /** Gives the stream a body as it is. */
  #pass(body: Buffer): void {
    this.#cork();
    this.flush();
    this.#stream.write(body, this.#onLeft);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#whenToLeave(this.#leave);
  }

  readonly #leave = (): void => {
    this.#isScheduled = false;
    this.#lastTurnBytes = this.#turnBytes;
    this.#turnBytes = 0;
    this.flush();
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#stream.uncork();
  };

  /** What the stream is handed before the end of the turn waits for the rest of it. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#schedule();
    this.#stream.cork();
  }
}
