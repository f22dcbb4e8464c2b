/** A frame of raw parts. */
function frame(length: number, mark: number, rest: Buffer | string): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(length, 0);
  head.writeInt32BE(mark, 4);
  return Buffer.concat([head, Buffer.from(rest)]);
}

function jsonFrame(header: string): Buffer {
  const bytes = Buffer.from(header);
  return frame(4 + bytes.length, bytes.length, bytes);
}

function binaryFrame(header: readonly number[]): Buffer {
  return frame(4 + header.length, 0x01_00_00_00 | header.length, Buffer.from(header));
}

/** Code 34, language, version, opaque 1, flag 0. */
const binaryStart = [0, 34, 0, 1, 155, 0, 0, 0, 1, 0, 0, 0, 0];

/** Openings that are no remoting, each with what is wrong about it. */
export const malformedFrames: readonly (readonly [string, Buffer])[] = [
  ['a length of -1', frame(-1, 0, '')],
  ['a length of 0', frame(0, 0, '')],
  ['a length of 3', frame(3, 0, '')],
  ['a length over 16 MiB', frame(16_777_213, 0, '')],
  ['the largest length', frame(0x7f_ff_ff_ff, 0, '')],
  ['a header that is longer than its frame', frame(8, 100, 'abcd')],
  ['an unknown serialisation', frame(6, 0x09_00_00_02, '{}')],
  ['a header that is no JSON', jsonFrame('{"code":')],
  ['a header that is null', jsonFrame('null')],
  ['a header that is a list', jsonFrame('[1]')],
  ['an opaque of more than 32 bits', jsonFrame('{"code":34,"opaque":2147483648,"flag":0,"version":401}')],
  ['a binary header that is cut', binaryFrame(binaryStart.slice(0, 8))],
  ['a binary header with a remark of negative length', binaryFrame([...binaryStart, 255, 255, 255, 255])],
  ['a binary header with a huge remark', binaryFrame([...binaryStart, 127, 255, 255, 255])],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['the beginning of TLS', Buffer.from('16030100a5010000a1030369', 'hex')],
];
