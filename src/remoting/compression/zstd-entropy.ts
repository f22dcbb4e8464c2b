import { BackwardBits, damagedZstd, ForwardBits, highestBit } from './zstd-bits.ts';

/** A table of finite state entropy coding (RFC 8878, 4.1): each state is a symbol, and says how to come to the next. */
export interface StateTable {
  /** Bits of the first state. */
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
  readonly bases: Uint16Array;
}

/** A table, and how many bytes its description took. */
export interface Described<T> {
  readonly table: T;
  readonly bytesRead: number;
}

/** The table of one symbol that is always meant. */
export function singleStateTable(symbol: number): StateTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    bitCounts: new Uint8Array(1),
    bases: new Uint16Array(1),
  };
}

/** @param probabilities of the symbols, of 2^accuracyLog; -1: less than one. */
export function buildStateTable(accuracyLog: number, probabilities: readonly number[]): StateTable {
  const size = 1 << accuracyLog;
  const symbols = spread(size, probabilities);
  const next = probabilities.map((probability) => Math.abs(probability));
  const bitCounts = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state += 1) {
    const symbol = symbols[state] ?? 0;
    const count = next[symbol] ?? 0;
    next[symbol] = count + 1;
    const bits = accuracyLog - highestBit(count);
    bitCounts[state] = bits;
    bases[state] = (count << bits) - size;
  }
  return { accuracyLog, symbols, bitCounts, bases };
}

function spread(size: number, probabilities: readonly number[]): Uint8Array {
  const symbols = new Uint8Array(size);
  let end = size;
  for (const [symbol, probability] of probabilities.entries()) {
    if (probability !== -1) continue;
    end -= 1;
    symbols[end] = symbol;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (const [symbol, probability] of probabilities.entries()) {
    for (let count = 0; count < probability; count += 1) {
      symbols[at] = symbol;
      // Those at the end are taken. The step meets every place once, so this ends.
      do at = (at + step) & (size - 1);
      while (at >= end && end > 0);
    }
  }
  return symbols;
}

/** @throws RemotingError `malformed`. */
export function readStateTable(bytes: Buffer, accuracyLogMax: number, symbolMax: number): Described<StateTable> {
  const bits = new ForwardBits(bytes);
  const accuracyLog = bits.read(4) + 5;
  if (accuracyLog > accuracyLogMax) throw damagedZstd('has a table that is too large');
  const probabilities: number[] = [];
  for (let left = 1 << accuracyLog; left > 0; ) {
    const probability = readProbability(bits, left);
    left -= Math.abs(probability);
    probabilities.push(probability);
    if (probability === 0) readZeros(bits, probabilities, symbolMax);
    if (left < 0 || probabilities.length > symbolMax + 1) throw damagedZstd('has a table that does not add up');
  }
  if (bits.bytesRead > bytes.length) throw damagedZstd('has a table that is cut');
  return { table: buildStateTable(accuracyLog, probabilities), bytesRead: bits.bytesRead };
}

/** Values that leave room below the next power of two are a bit shorter. */
function readProbability(bits: ForwardBits, left: number): number {
  const count = highestBit(left + 1) + 1;
  const value = bits.read(count);
  const lowMask = (1 << (count - 1)) - 1;
  const threshold = (1 << count) - 1 - (left + 1);
  if ((value & lowMask) < threshold) {
    bits.back(1);
    return (value & lowMask) - 1;
  }
  return (value > lowMask ? value - threshold : value) - 1;
}

function readZeros(bits: ForwardBits, probabilities: number[], symbolMax: number): void {
  for (;;) {
    const count = bits.read(2);
    for (let index = 0; index < count; index += 1) probabilities.push(0);
    if (count < 3 || probabilities.length > symbolMax) return;
  }
}

/** Walks the states of one table along a stream. */
export class StateWalk {
  readonly #table: StateTable;
  #state: number;

  constructor(table: StateTable, bits: BackwardBits) {
    this.#table = table;
    this.#state = bits.read(table.accuracyLog);
  }

  get symbol(): number {
    return this.#table.symbols[this.#state] ?? 0;
  }

  advance(bits: BackwardBits): void {
    const { bases, bitCounts } = this.#table;
    this.#state = (bases[this.#state] ?? 0) + bits.read(bitCounts[this.#state] ?? 0);
  }
}

/** A Huffman table: whatever `bitCountMax` bits come next, which symbol they begin with and how many of them it takes. */
export interface HuffmanTable {
  readonly bitCountMax: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
}

const huffmanBitsMax = 11;
const weightsMax = 255;

/** @throws RemotingError `malformed`. */
export function readHuffmanTable(bytes: Buffer): Described<HuffmanTable> {
  const [head] = bytes;
  if (head === undefined) throw damagedZstd('is cut');
  const weightCount = head - 127;
  const length = head < 128 ? head : (weightCount + 1) >> 1;
  const described = bytes.subarray(1, 1 + length);
  if (described.length < length) throw damagedZstd('is cut');
  const weights = head < 128 ? compressedWeights(described) : plainWeights(described, weightCount);
  return { table: buildHuffmanTable(weights), bytesRead: 1 + length };
}

function plainWeights(bytes: Buffer, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const byte = bytes[index >> 1] ?? 0;
    return index % 2 === 0 ? byte >> 4 : byte & 15;
  });
}

/** Two walks take turns until the stream has no bits for the next step; then the other says the last weight. */
function compressedWeights(bytes: Buffer): number[] {
  const { table, bytesRead } = readStateTable(bytes, 6, huffmanBitsMax);
  const bits = new BackwardBits(bytes.subarray(bytesRead));
  let [walk, other] = [new StateWalk(table, bits), new StateWalk(table, bits)];
  const weights: number[] = [];
  while (weights.length < weightsMax) {
    weights.push(walk.symbol);
    walk.advance(bits);
    if (bits.left < 0) {
      weights.push(other.symbol);
      return weights;
    }
    [walk, other] = [other, walk];
  }
  throw damagedZstd('has a Huffman table without an end');
}

function buildHuffmanTable(weights: number[]): HuffmanTable {
  const sum = weights.reduce((all, weight) => all + (weight === 0 ? 0 : 2 ** (weight - 1)), 0);
  const bitCountMax = sum === 0 ? 0 : highestBit(sum) + 1;
  const rest = 2 ** bitCountMax - sum;
  const isWhole = sum > 0 && (rest & (rest - 1)) === 0;
  if (!isWhole || bitCountMax > huffmanBitsMax || weights.length > weightsMax) {
    throw damagedZstd('has a Huffman table that does not add up');
  }
  // The last weight is not written: it is what is left.
  const all = [...weights, highestBit(rest) + 1];
  const symbols = new Uint8Array(1 << bitCountMax);
  const bitCounts = new Uint8Array(1 << bitCountMax);
  let at = 0;
  for (let weight = 1; weight <= bitCountMax; weight += 1) {
    for (const [symbol, own] of all.entries()) {
      if (own !== weight) continue;
      const end = at + (1 << (weight - 1));
      symbols.fill(symbol, at, end);
      bitCounts.fill(bitCountMax + 1 - weight, at, end);
      at = end;
    }
  }
  return { bitCountMax, symbols, bitCounts };
}

/** Fills the target with the symbols of a stream. @throws RemotingError `malformed` when it has more or less of them. */
export function readHuffmanStream(
  bytes: Buffer,
  { bitCountMax, symbols, bitCounts }: HuffmanTable,
  target: Buffer,
): void {
  const bits = new BackwardBits(bytes);
  for (let at = 0; at < target.length; at += 1) {
    const next = bits.peekFrom(bits.left - bitCountMax, bitCountMax);
    target[at] = symbols[next] ?? 0;
    bits.left -= bitCounts[next] ?? 0;
  }
  if (bits.left !== 0) throw damagedZstd('has literals that do not add up');
}
