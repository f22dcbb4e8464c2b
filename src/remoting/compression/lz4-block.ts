import { RemotingError } from '../errors.ts';

/** Bytes at the end of a block that must be literals, and before which its last match must begin (LZ4 block format). */
const lastLiteralBytes = 5;
const lastMatchBytes = 12;
const matchBytesMin = 4;
const offsetMax = 65_535;
/** Lengths from here on go on in further bytes, each of which may add 255. */
const lengthInToken = 15;
const hashBits = 14;
/** After each 64 failed tries the next try is a byte further away: what cannot be compressed is left soon. */
const triesPerStep = 6;
/** From here on a copy by the runtime is quicker than one byte by byte. */
const bulkCopyBytesMin = 24;

/** Bytes that a block of so many may take, when none of them repeats. */
export function lz4BlockBytesMax(length: number): number {
  return length + Math.ceil(length / 255) + 16;
}

/** Compresses a block. @param target At least `lz4BlockBytesMax` bytes. @returns how many bytes of it were written. */
export function compressLz4Block(source: Buffer, target: Buffer): number {
  const writer = new BlockWriter(source, target);
  const places = new Int32Array(1 << hashBits).fill(-1);
  const matchesEnd = source.length - lastMatchBytes;
  let at = 0;
  let tries = 1 << triesPerStep;
  while (at <= matchesEnd) {
    const word = source.readUInt32LE(at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
    const place = places[slot] ?? -1;
    places[slot] = at;
    if (place < 0 || at - place > offsetMax || source.readUInt32LE(place) !== word) {
      at += tries >>> triesPerStep;
      tries += 1;
      continue;
    }
    const length = matchLength(source, place, at);
    writer.addMatch(at, at - place, length);
    at += length;
    tries = 1 << triesPerStep;
  }
  return writer.end();
}

function matchLength(source: Buffer, place: number, at: number): number {
  const end = source.length - lastLiteralBytes;
  let length = matchBytesMin;
  while (at + length < end && source[place + length] === source[at + length]) length += 1;
  return length;
}

/** Writes sequences: literals, then a match, which all blocks but the last sequence have. */
class BlockWriter {
  readonly #source: Buffer;
  readonly #target: Buffer;
  /** First byte of the source that no sequence has yet. */
  #from = 0;
  #to = 0;

  constructor(source: Buffer, target: Buffer) {
    this.#source = source;
    this.#target = target;
  }

  addMatch(at: number, offset: number, length: number): void {
    this.#addLiterals(at, length - matchBytesMin);
    this.#to = this.#target.writeUInt16LE(offset, this.#to);
    this.#addLength(length - matchBytesMin);
    this.#from = at + length;
  }

  end(): number {
    this.#addLiterals(this.#source.length, 0);
    return this.#to;
  }

  #addLiterals(end: number, restOfMatch: number): void {
    const count = end - this.#from;
    this.#target[this.#to] = (Math.min(count, lengthInToken) << 4) | Math.min(restOfMatch, lengthInToken);
    this.#to += 1;
    this.#addLength(count);
    this.#source.copy(this.#target, this.#to, this.#from, end);
    this.#to += count;
  }

  #addLength(length: number): void {
    if (length < lengthInToken) return;
    let rest = length - lengthInToken;
    for (; rest >= 255; rest -= 255) this.#add(255);
    this.#add(rest);
  }

  #add(byte: number): void {
    this.#target[this.#to] = byte;
    this.#to += 1;
  }
}

/**
 * How many bytes a block unfolds to. Looks at every sequence, so that `decompressLz4Block` can trust the block afterwards.
 * @param historyBytes that come before it and that matches may reach back to.
 * @throws RemotingError `malformed` when the block is damaged, or unfolds to more than `bytesMax`.
 */
export function measureLz4Block(block: Buffer, historyBytes: number, bytesMax: number): number {
  const reader = new BlockReader(block);
  let size = 0;
  for (;;) {
    const { literalCount, token } = reader.literals();
    reader.at += literalCount;
    size += literalCount;
    if (reader.at > block.length) throw damaged();
    if (size > bytesMax) throw tooLarge(bytesMax);
    if (reader.at === block.length) return size;
    const offset = reader.offset();
    if (offset === 0 || offset > size + historyBytes) throw damaged();
    size += reader.matchLength(token);
    if (size > bytesMax) throw tooLarge(bytesMax);
  }
}

/** Unfolds a block that `measureLz4Block` has found good. @returns where it ends in the target. */
export function decompressLz4Block(block: Buffer, target: Buffer, start: number): number {
  const reader = new BlockReader(block);
  let to = start;
  for (;;) {
    const { literalCount, token } = reader.literals();
    block.copy(target, to, reader.at, reader.at + literalCount);
    to += literalCount;
    reader.at += literalCount;
    if (reader.at === block.length) return to;
    const offset = reader.offset();
    const length = reader.matchLength(token);
    repeat(target, to, offset, length);
    to += length;
  }
}

/** Copies what lies `offset` bytes before; where that is less than `length`, what was copied repeats. */
function repeat(target: Buffer, to: number, offset: number, length: number): void {
  const end = to + length;
  let done = to;
  if (length >= bulkCopyBytesMin) {
    // Each copy doubles what can be copied at once.
    while (done < end) {
      const from = to - offset;
      const count = Math.min(done - from, end - done);
      target.copyWithin(done, from, from + count);
      done += count;
    }
    return;
  }
  for (; done < end; done += 1) target[done] = target[done - offset] ?? 0;
}

/** Reads what sequences say of themselves. */
class BlockReader {
  at = 0;
  readonly #block: Buffer;

  constructor(block: Buffer) {
    this.#block = block;
  }

  literals(): { readonly literalCount: number; readonly token: number } {
    const token = this.#byte();
    return { token, literalCount: this.#length(token >> 4) };
  }

  offset(): number {
    const low = this.#byte();
    return low | (this.#byte() << 8);
  }

  matchLength(token: number): number {
    return this.#length(token & lengthInToken) + matchBytesMin;
  }

  #length(inToken: number): number {
    if (inToken < lengthInToken) return inToken;
    let length = inToken;
    for (;;) {
      const byte = this.#byte();
      length += byte;
      if (byte < 255) return length;
    }
  }

  #byte(): number {
    const byte = this.#block[this.at];
    if (byte === undefined) throw damaged();
    this.at += 1;
    return byte;
  }
}

function damaged(): RemotingError {
  return new RemotingError('malformed', 'an LZ4 block is damaged');
}

function tooLarge(bytesMax: number): RemotingError {
  return new RemotingError('malformed', `an LZ4 block unfolds to more than ${bytesMax} bytes`);
}
