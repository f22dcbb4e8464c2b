import { expect, test } from 'vitest';
import { xxHash32 } from '../../../src/remoting/compression/xxhash32.ts';

// By the lz4 and xxhsum tools, which are the reference.
test.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
])('of %j', (text, hash) => {
  expect(xxHash32(Buffer.from(text))).toBe(hash);
});
