import type { QueueEntry } from './message-store.ts';

/** Most entries of one chunk, 16 KiB: what retention gives back at once. */
const chunkEntryCountMax = 1024;
/** Room of a new chunk of a queue that had none: most queues hold few messages. */
const firstEntryCount = 8;
const entryBytes = 16;
/** Most holes that are filled in; a wider gap starts a chunk of its own, so that no offset however far away costs memory. */
const holeCountMax = 64;

/** Entries side by side: place in the log (8 bytes), size (4), code of the tags (4). */
class Chunk {
  /** Queue offset of the first entry. */
  readonly base: number;
  count = 0;
  #places: Float64Array;
  #words: Int32Array;

  constructor(base: number, entryCount: number) {
    this.base = base;
    const bytes = new ArrayBuffer(entryCount * entryBytes);
    this.#places = new Float64Array(bytes);
    this.#words = new Int32Array(bytes);
  }

  /** Queue offset behind the last entry. */
  get end(): number {
    return this.base + this.count;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  get isFull(): boolean {
    return this.count === chunkEntryCountMax;
  }

  push(place: number, size: number, tagsCode: number): void {
    if (this.count * entryBytes === this.#words.byteLength) this.#grow();
    this.#places[2 * this.count] = place;
    this.#words[4 * this.count + 2] = size;
    this.#words[4 * this.count + 3] = tagsCode;
    this.count += 1;
  }

  #grow(): void {
    const old = this.#words;
    const bytes = new ArrayBuffer(Math.min(2 * old.byteLength, chunkEntryCountMax * entryBytes));
    this.#places = new Float64Array(bytes);
    this.#words = new Int32Array(bytes);
    this.#words.set(old);
  }

  cut(end: number): void {
    this.count = end - this.base;
  }

  place(queueOffset: number): number {
    return this.#places[2 * (queueOffset - this.base)] ?? 0;
  }

  size(queueOffset: number): number {
    return this.#words[4 * (queueOffset - this.base) + 2] ?? 0;
  }

  tagsCode(queueOffset: number): number {
    return this.#words[4 * (queueOffset - this.base) + 3] ?? 0;
  }
}

/**
 * Where the messages of one queue stand in the log, by queue offset. Offsets without a message are holes: between chunks, or entries of
 * size 0 at the place of the message before them, so that places never fall.
 */
export class QueueIndex {
  #chunks: Chunk[] = [];
  /** Queue offset of the first message; meaningless without chunks. */
  #start = 0;
  /** What `raise` asked for, or where the messages ended that are gone. */
  #raised = 0;
  /** Offsets given to messages that are being written. */
  #givenCount = 0;

  /** Offset of the first message that is there; of the next one where none is. */
  get minOffset(): number {
    return this.#chunks.length > 0 ? this.#start : this.#raised;
  }

  /** Offset that the next message gets. */
  get maxOffset(): number {
    return Math.max(this.#chunks.at(-1)?.end ?? 0, this.#raised);
  }

  /** Bytes that the entries take. */
  get indexBytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  }

  /** No message gets an offset below this one from now on. */
  raise(offset: number): void {
    this.#raised = Math.max(this.#raised, offset);
  }

  /** The offset of a message that is about to be written; `put` or `takeBack` has to follow. */
  give(): number {
    this.#givenCount += 1;
    return this.maxOffset + this.#givenCount - 1;
  }

  /** Forgets what `give` gave and `put` did not take. */
  takeBack(): void {
    this.#givenCount = 0;
  }

  /**
   * Adds a message. What the log told of before at this offset or behind it does not count any more: the topic was dropped in between, or
   * the write was refused.
   */
  put(queueOffset: number, place: number, size: number, tagsCode: number): void {
    if (this.#givenCount > 0) this.#givenCount -= 1;
    if (queueOffset < (this.#chunks.at(-1)?.end ?? 0)) this.#forgetFrom(queueOffset);
    const chunk = this.#chunkFor(queueOffset);
    if (chunk.count > 0) {
      const before = chunk.place(chunk.end - 1);
      while (chunk.end < queueOffset) chunk.push(before, 0, 0);
    }
    chunk.push(place, size, tagsCode);
  }

  /** The chunk to add an offset to: no entry is at it or behind it. */
  #chunkFor(queueOffset: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last === undefined) this.#start = queueOffset;
    const gap = last === undefined ? 0 : queueOffset - last.end;
    if (last !== undefined && gap <= holeCountMax && last.count + gap < chunkEntryCountMax) return last;
    const chunk = new Chunk(queueOffset, last?.isFull === true ? chunkEntryCountMax : firstEntryCount);
    this.#chunks.push(chunk);
    return chunk;
  }

  #forgetFrom(queueOffset: number): void {
    this.#raised = Math.min(this.#raised, queueOffset);
    while ((this.#chunks.at(-1)?.base ?? -1) >= queueOffset) this.#chunks.pop();
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.end > queueOffset) last.cut(queueOffset);
    if (queueOffset <= this.#start) this.#chunks = [];
  }

  /** Undefined for offsets out of range and for holes. */
  entry(queueOffset: number): QueueEntry | undefined {
    const chunk = this.#chunkOf(queueOffset);
    const size = chunk?.size(queueOffset) ?? 0;
    if (chunk === undefined || size === 0) return undefined;
    return { commitLogOffset: chunk.place(queueOffset), size, tagsCode: chunk.tagsCode(queueOffset) };
  }

  /** True when the message at this offset stands at this place. */
  isAt(queueOffset: number, place: number): boolean {
    const chunk = this.#chunkOf(queueOffset);
    return chunk !== undefined && chunk.place(queueOffset) === place && chunk.size(queueOffset) > 0;
  }

  /** Offset of the first message at an offset or behind it; `maxOffset` where none is. */
  next(queueOffset: number): number {
    const from = Math.max(queueOffset, this.#start);
    for (let index = this.#chunkIndex(from); index < this.#chunks.length; index += 1) {
      const chunk = this.#chunks[index];
      if (chunk === undefined) break;
      for (let offset = Math.max(from, chunk.base); offset < chunk.end; offset += 1) {
        if (chunk.size(offset) > 0) return offset;
      }
    }
    return this.maxOffset;
  }

  #chunkOf(queueOffset: number): Chunk | undefined {
    if (!Number.isInteger(queueOffset) || queueOffset < this.#start) return undefined;
    const chunk = this.#chunks[this.#chunkIndex(queueOffset)];
    return chunk !== undefined && queueOffset >= chunk.base ? chunk : undefined;
  }

  /** The first chunk that ends behind an offset. */
  #chunkIndex(queueOffset: number): number {
    return lowest(this.#chunks.length, (index) => (this.#chunks[index]?.end ?? 0) > queueOffset);
  }

  /** Forgets the messages whose records are gone: those before a place in the log. */
  trim(minPlace: number): void {
    this.#raised = this.maxOffset;
    const isKept = (index: number): boolean => {
      const chunk = this.#chunks[index];
      return chunk !== undefined && chunk.place(chunk.end - 1) >= minPlace;
    };
    this.#chunks.splice(0, lowest(this.#chunks.length, isKept));
    const first = this.#chunks[0];
    if (first === undefined) return;
    const keptIndex = lowest(first.count, (index) => first.place(first.base + index) >= minPlace);
    this.#start = Math.max(this.#start, first.base + keptIndex);
  }
}

/** The first of `count` numbers from 0 for which something holds that holds for all behind it too; `count` where it holds for none. */
export function lowest(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
