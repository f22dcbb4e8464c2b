import { onTestFinished } from 'vitest';
import { Flag, FrameType } from '../../src/http2/frame.ts';
import { ACK, type Frame, field, frame, preface, RawHttp2Client } from './raw-http2.ts';

/** Fields as they are, in their order: names of any case, any number of times. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** The pseudo-header fields of a POST. */
export const postFields: Fields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'localhost'],
];

/** A header block without tables and Huffman codes. */
export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.map(([name, value]) => field(name, value)));
}

/** HEADERS with a whole block. */
export function headers(streamId: number, fields = postFields, flags: number = Flag.END_STREAM): Buffer {
  return frame(FrameType.HEADERS, Flag.END_HEADERS | flags, streamId, block(fields));
}

/** HEADERS of a request that goes on. */
export function openRequest(streamId: number, more: Fields = []): Buffer {
  return headers(streamId, [...postFields, ...more], 0);
}

export function data(streamId: number, body: Uint8Array | string, flags = 0): Buffer {
  return frame(FrameType.DATA, flags, streamId, Buffer.from(body));
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  return frame(FrameType.WINDOW_UPDATE, 0, streamId, uint32(bytes));
}

export function reset(streamId: number, code: number): Buffer {
  return frame(FrameType.RST_STREAM, 0, streamId, uint32(code));
}

export function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id);
  payload.writeUInt32BE(value, 2);
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

export const settingsAck = frame(FrameType.SETTINGS, ACK, 0);

/** A PING of eight equal bytes, so that its answer can be known. */
export function ping(byte: number): Buffer {
  return frame(FrameType.PING, 0, 0, Buffer.alloc(8, byte));
}

/** Whether a frame is the answer to `ping(byte)`. */
export function isPong(byte: number): (one: Frame) => boolean {
  return ({ type, flags, payload }) => type === FrameType.PING && flags === ACK && payload[0] === byte;
}

export function ofType(type: number, streamId?: number): (one: Frame) => boolean {
  return (one) => one.type === type && (streamId === undefined || one.streamId === streamId);
}

/** Code of RST_STREAM or GOAWAY. */
export function codeOf({ type, payload }: Frame): number {
  return payload.readUInt32BE(type === FrameType.GOAWAY ? 4 : 0);
}

/** A client that has greeted and acknowledged our SETTINGS, destroyed when the test ends. */
export async function greetedClient(port: number, localAddress?: string): Promise<RawHttp2Client> {
  const opening = Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0), settingsAck]);
  const client = await rawClient(port, opening, localAddress);
  await client.next((one) => one.type === FrameType.SETTINGS && one.flags === ACK);
  return client;
}

/** A client that has said what it is given, destroyed when the test ends. */
export async function rawClient(port: number, opening: Uint8Array, localAddress?: string): Promise<RawHttp2Client> {
  const client = await RawHttp2Client.connect(port, opening, localAddress);
  onTestFinished(() => {
    client.socket.destroy();
  });
  return client;
}

/** Code of the GOAWAY with which the connection was ended. */
export async function endOf(client: RawHttp2Client): Promise<number> {
  const goaway = await client.next(ofType(FrameType.GOAWAY));
  await client.closed;
  return codeOf(goaway);
}
