/** The two halves of HPACK with what Node has, which is nghttp2, on the other side of a connection. */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HpackDecoder } from '../../../src/http2/hpack/decoder.ts';
import { HpackEncoder } from '../../../src/http2/hpack/encoder.ts';
import type { HeaderField } from '../../../src/http2/hpack/header-field.ts';
import { ACK, END_HEADERS, END_STREAM, FrameType, frame, preface } from '../../support/raw-http2.ts';

/** Answers each request with the fields that it came with, by a server that is nothing but HPACK. */
class Echo {
  readonly server = createServer((socket) => this.#serve(socket));
  /** What the last request held. */
  fields: readonly HeaderField[] = [];
  readonly #decoder = new HpackDecoder({ tableBytesMax: 4_096, listBytesMax: 65_536, fieldsMax: 1_000 });
  readonly #encoder = new HpackEncoder();

  #serve(socket: Socket): void {
    socket.on('error', () => {});
    socket.write(frame(FrameType.SETTINGS, 0, 0));
    let bytes = Buffer.alloc(0);
    let start = preface.length;
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= start + 9 && bytes.length >= start + 9 + bytes.readUIntBE(start, 3)) {
        const end = start + 9 + bytes.readUIntBE(start, 3);
        this.#take(socket, bytes.subarray(start, end));
        start = end;
      }
    });
  }

  #take(socket: Socket, bytes: Buffer): void {
    const [type, flags = 0] = bytes.subarray(3, 5);
    if (type === FrameType.SETTINGS && flags !== ACK) socket.write(frame(FrameType.SETTINGS, ACK, 0));
    if (type !== FrameType.HEADERS) return;
    // Without PADDED; PRIORITY takes five octets.
    this.fields = this.#decoder.decode(bytes.subarray((flags & 0x20) === 0 ? 9 : 14)).fields;
    const echoed = this.fields.filter(({ name }) => !name.startsWith(':'));
    const answer = [{ name: ':status', value: '200' }, ...echoed];
    const block = Buffer.alloc(this.#encoder.encodedBytesMax(answer));
    const end = this.#encoder.encode(answer, block, 0);
    socket.write(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, bytes.readUInt32BE(5), block.subarray(0, end)));
  }
}

describe('HPACK against nghttp2', () => {
  const echo = new Echo();
  let session: ClientHttp2Session;

  beforeAll(async () => {
    echo.server.listen(0, '127.0.0.1');
    await once(echo.server, 'listening');
    session = connect(`http://127.0.0.1:${(echo.server.address() as AddressInfo).port}`);
    session.on('error', () => {});
  });

  afterAll(() => {
    session.destroy();
    echo.server.close();
  });

  /** The answer, once our decoder has been found to have read the request. */
  async function call(headers: Readonly<Record<string, string>>): Promise<IncomingHttpHeaders> {
    const request = session.request({ ':method': 'POST', ...headers }, { endStream: true });
    const [answer] = await once(request, 'response');
    expect(Object.fromEntries(echo.fields.map(({ name, value }) => [name, value]))).toMatchObject(headers);
    return answer;
  }

  /** Every octet that Node lets a value hold. */
  const octets = Array.from({ length: 256 }, (_, octet) => octet).filter(
    (octet) => octet === 9 || (octet > 32 && octet !== 127),
  );

  test('reads Huffman codes of every octet, alone and together', { timeout: 60_000 }, async () => {
    for (const octet of octets.filter((one) => one !== 9)) {
      const text = `${'a'.repeat(40)}${String.fromCharCode(octet)}a`;
      expect(await call({ 'x-octet': text })).toMatchObject({ 'x-octet': text });
    }
    const all = `a${String.fromCharCode(...octets)}a`;
    expect(await call({ 'x-octets': all })).toMatchObject({ 'x-octets': all });
  });

  test('agrees on the tables through more fields than they hold', async () => {
    let random = 7541;
    const next = (below: number): number => {
      random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
      return random % below;
    };
    for (let round = 0; round < 300; round += 1) {
      const fields = Array.from({ length: next(8) }, () => [`x-${next(12)}`, `${next(6)}`.repeat(1 + next(150))]);
      const headers = Object.fromEntries(fields);
      expect(await call(headers)).toMatchObject(headers);
    }
  });
});
