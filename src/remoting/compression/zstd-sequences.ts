import { BackwardBits, bitsPerReadMax, damagedZstd } from './zstd-bits.ts';
import {
  buildStateTable,
  type Described,
  readStateTable,
  type StateTable,
  StateWalk,
  singleStateTable,
} from './zstd-entropy.ts';

/** One of the three numbers of a sequence, written as a code and further bits (RFC 8878, 3.1.1.3.2.1). */
interface CodeKind {
  readonly accuracyLogMax: number;
  readonly symbolMax: number;
  readonly predefined: StateTable;
}

/** The tables of the sequences of a block, which the next may use again. */
export interface SequenceTables {
  readonly literalLength: StateTable;
  readonly offset: StateTable;
  readonly matchLength: StateTable;
}

/** Literals, then bytes that are copied from what came before. */
export interface Sequence {
  readonly literalLength: number;
  readonly matchLength: number;
  /** 1 to 3 mean offsets of earlier sequences; others are the offset and 3. */
  readonly offsetValue: number;
}

const repeated = (value: number, count: number): number[] => Array.from({ length: count }, () => value);

const literalLengths: CodeKind = {
  accuracyLogMax: 9,
  symbolMax: 35,
  predefined: buildStateTable(6, [
    4,
    3,
    ...repeated(2, 11),
    1,
    1,
    1,
    ...repeated(2, 9),
    3,
    2,
    ...repeated(1, 5),
    ...repeated(-1, 4),
  ]),
};
const offsets: CodeKind = {
  accuracyLogMax: 8,
  symbolMax: 31,
  predefined: buildStateTable(5, [...repeated(1, 6), 2, 2, 2, ...repeated(1, 15), ...repeated(-1, 5)]),
};
const matchLengths: CodeKind = {
  accuracyLogMax: 9,
  symbolMax: 52,
  predefined: buildStateTable(6, [1, 4, 3, ...repeated(2, 6), ...repeated(1, 37), ...repeated(-1, 7)]),
};

/** Bits behind each code; the numbers of one code begin where those of the one before end. */
const literalLengthBits = [...repeated(0, 16), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const matchLengthBits = [...repeated(0, 32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const literalLengthBases = basesOf(literalLengthBits, 0);
const matchLengthBases = basesOf(matchLengthBits, 3);

function basesOf(bitCounts: readonly number[], first: number): number[] {
  let base = first;
  return bitCounts.map((bits) => {
    const own = base;
    base += 2 ** bits;
    return own;
  });
}

/** What stands before the sequences. */
export interface SequenceHead {
  readonly count: number;
  readonly tables: SequenceTables | undefined;
  /** Where the bits of the sequences begin. */
  readonly bytesRead: number;
}

/**
 * @param section behind the literals of a block. @param before of the block before, if there is one.
 * @throws RemotingError `malformed`.
 */
export function readSequenceHead(section: Buffer, before: SequenceTables | undefined): SequenceHead {
  const [first = 0, second = 0, third = 0] = section;
  const countBytes = first < 128 ? 1 : first < 255 ? 2 : 3;
  if (section.length < countBytes) throw damagedZstd('is cut');
  const count = first < 128 ? first : first < 255 ? ((first - 128) << 8) + second : second + (third << 8) + 0x7f00;
  if (count === 0) return { count, tables: before, bytesRead: countBytes };
  const modes = section[countBytes] ?? 0;
  if ((modes & 3) !== 0) throw damagedZstd('has sequences of an unknown kind');
  let at = countBytes + 1;
  const table = (mode: number, kind: CodeKind, known: StateTable | undefined): StateTable => {
    const read = readTable(section.subarray(at), mode, kind, known);
    at += read.bytesRead;
    return read.table;
  };
  const literalLength = table(modes >> 6, literalLengths, before?.literalLength);
  const offset = table((modes >> 4) & 3, offsets, before?.offset);
  const matchLength = table((modes >> 2) & 3, matchLengths, before?.matchLength);
  return { count, tables: { literalLength, offset, matchLength }, bytesRead: at };
}

function readTable(bytes: Buffer, mode: number, kind: CodeKind, known: StateTable | undefined): Described<StateTable> {
  switch (mode) {
    case 0:
      return { table: kind.predefined, bytesRead: 0 };
    case 1: {
      const [symbol] = bytes;
      if (symbol === undefined) throw damagedZstd('is cut');
      return { table: singleStateTable(symbol), bytesRead: 1 };
    }
    case 2:
      return readStateTable(bytes, kind.accuracyLogMax, kind.symbolMax);
    default:
      if (known === undefined) throw damagedZstd('uses a table that it has not');
      return { table: known, bytesRead: 0 };
  }
}

/** @throws RemotingError `malformed`, at once or at the last one. */
export function* sequencesOf(bytes: Buffer, count: number, tables: SequenceTables): Generator<Sequence> {
  const bits = new BackwardBits(bytes);
  const literalLength = new StateWalk(tables.literalLength, bits);
  const offset = new StateWalk(tables.offset, bits);
  const matchLength = new StateWalk(tables.matchLength, bits);
  for (let left = count; left > 0; left -= 1) {
    const offsetCode = offset.symbol;
    // No body is as long as larger ones reach back.
    if (offsetCode > bitsPerReadMax) throw damagedZstd('reaches back too far');
    const offsetValue = 2 ** offsetCode + bits.read(offsetCode);
    const match = numberOf(matchLength.symbol, matchLengthBases, matchLengthBits, bits);
    yield {
      offsetValue,
      matchLength: match,
      literalLength: numberOf(literalLength.symbol, literalLengthBases, literalLengthBits, bits),
    };
    if (left === 1) break;
    literalLength.advance(bits);
    matchLength.advance(bits);
    offset.advance(bits);
    if (bits.left < 0) throw damagedZstd('has sequences that do not add up');
  }
  if (bits.left !== 0) throw damagedZstd('has sequences that do not add up');
}

function numberOf(code: number, bases: readonly number[], bitCounts: readonly number[], bits: BackwardBits): number {
  const base = bases[code];
  if (base === undefined) throw damagedZstd('has a code that does not exist');
  return base + bits.read(bitCounts[code] ?? 0);
}
