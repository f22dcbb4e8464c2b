const primes = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;
const [prime1, prime2, prime3, prime4, prime5] = primes;
const stripeBytes = 16;

/** XXH32 with seed 0, as LZ4 frames use it for their checks. @returns 0 to 2^32 - 1. */
export function xxHash32(bytes: Buffer): number {
  const stripesEnd = bytes.length - (bytes.length % stripeBytes);
  let hash = (stripesEnd === 0 ? prime5 : hashStripes(bytes, stripesEnd)) + bytes.length;
  let at = stripesEnd;
  for (; at + 4 <= bytes.length; at += 4) {
    hash = Math.imul(rotate(hash + Math.imul(bytes.readUInt32LE(at), prime3), 17), prime4);
  }
  for (const byte of bytes.subarray(at)) hash = Math.imul(rotate(hash + Math.imul(byte, prime5), 11), prime1);
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hashStripes(bytes: Buffer, end: number): number {
  let [one, two, three, four] = [(prime1 + prime2) | 0, prime2 | 0, 0, -prime1 | 0];
  for (let at = 0; at < end; at += stripeBytes) {
    one = round(one, bytes.readUInt32LE(at));
    two = round(two, bytes.readUInt32LE(at + 4));
    three = round(three, bytes.readUInt32LE(at + 8));
    four = round(four, bytes.readUInt32LE(at + 12));
  }
  return (rotate(one, 1) + rotate(two, 7) + rotate(three, 12) + rotate(four, 18)) | 0;
}

function round(lane: number, input: number): number {
  return Math.imul(rotate(lane + Math.imul(input, prime2), 13), prime1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
