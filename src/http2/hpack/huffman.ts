import { HpackError } from './hpack-error.ts';

/** Bits of the code of each octet, and of EOS behind them (RFC 7541, appendix B). Codes of one length follow each other in order. */
const codeBits: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

const eos = 256;
/** Inner nodes of the tree of codes: one fewer than codes. */
const stateCount = 256;
/** In an entry of the table: the code of an octet ends here, which stands in the lowest 8 bits. The next state stands above. */
const emits = 0x100;
/** An entry that leads through EOS, which no string may hold. */
const refused = -1;

/** Bits of the shortest code. */
const codeBitsMin = 5;

/** Most octets that so many octets of Huffman code can stand for. */
export function decodedBytesMax(codedBytes: number): number {
  return Math.floor((codedBytes * 8) / codeBitsMin);
}

/** Children of inner nodes: an inner node above 0, or the complement of a symbol. Node 0 is the root, which is nobody's child. */
function buildTree(): Int16Array {
  const children = new Int16Array(stateCount * 2);
  const symbols = codeBits.map((_, symbol) => symbol).sort((a, b) => bitsOf(a) - bitsOf(b) || a - b);
  let code = 0;
  let codeLength = 0;
  let nodeCount = 1;
  for (const symbol of symbols) {
    code <<= bitsOf(symbol) - codeLength;
    codeLength = bitsOf(symbol);
    let node = 0;
    for (let bit = codeLength - 1; bit > 0; bit -= 1) {
      const place = node * 2 + ((code >> bit) & 1);
      if (children[place] === 0) children[place] = nodeCount++;
      node = children[place] ?? 0;
    }
    children[node * 2 + (code & 1)] = ~symbol;
    code += 1;
  }
  return children;
}

function bitsOf(symbol: number): number {
  return codeBits[symbol] ?? 0;
}

/** What four bits do in each state: no code is that short, so at most one ends in them. */
function buildTable(children: Int16Array): Int32Array {
  const table = new Int32Array(stateCount * 16);
  for (let entry = 0; entry < table.length; entry += 1) {
    let node = entry >> 4;
    let emitted = 0;
    for (let bit = 3; bit >= 0 && node !== refused; bit -= 1) {
      const child = children[node * 2 + ((entry >> bit) & 1)] ?? 0;
      if (child >= 0) node = child;
      else {
        emitted = emits | ~child;
        node = ~child === eos ? refused : 0;
      }
    }
    table[entry] = node === refused ? refused : (node << 9) | emitted;
  }
  return table;
}

/** States in which a string may end: up to 7 bits of EOS, which are all set, fill the last octet (RFC 7541, section 5.2). */
function buildEnds(children: Int16Array): Uint8Array {
  const ends = new Uint8Array(stateCount);
  for (let bits = 0, node = 0; bits < 8; bits += 1) {
    ends[node] = 1;
    node = children[node * 2 + 1] ?? 0;
  }
  return ends;
}

const tree = buildTree();
const table = buildTable(tree);
const ends = buildEnds(tree);

/**
 * Decodes `source` from `start` to `end`.
 * @param target has room for `decodedBytesMax(end - start)` octets.
 * @returns how many octets were written.
 * @throws HpackError for EOS, and for padding of more than 7 bits or with a bit that is not set.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let length = 0;
  let state = 0;
  for (let position = start; position < end; position += 1) {
    const byte = source[position] ?? 0;
    for (let nibble = byte >> 4, half = 0; half < 2; nibble = byte & 15, half += 1) {
      const entry = table[(state << 4) | nibble] ?? refused;
      if (entry === refused) throw new HpackError('a Huffman string holds EOS');
      if ((entry & emits) !== 0) target[length++] = entry & 0xff;
      state = entry >> 9;
    }
  }
  if (ends[state] !== 1) throw new HpackError('a Huffman string does not end in up to 7 bits that are all set');
  return length;
}
