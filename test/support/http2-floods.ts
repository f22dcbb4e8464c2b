/** What abuses HTTP/2, as bytes: what a connection says first, and what it then says again and again. */
import { StatusCode } from '../../src/grpc/status.ts';
import { ErrorCode } from '../../src/http2/errors.ts';
import { Flag, FrameType } from '../../src/http2/frame.ts';
import { SettingId } from '../../src/http2/settings.ts';
import { envelope } from './http-client.ts';
import { block, data, type Fields, headers, ping, reset, setting, settingsAck, windowUpdate } from './http2-frames.ts';
import { frame, preface } from './raw-http2.ts';

export interface Flood {
  readonly opening: Buffer;
  /** Empty: the opening is all. */
  readonly flood: Buffer;
}

const greeting = Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0), settingsAck]);

/** Fields of a call. */
export function callFields(rpc: string): Fields {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', `/rocketmq.RocketMQProxy/${rpc}`],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
}

function repeat(count: number, bytes: (index: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => bytes(index)));
}

const idOf = (index: number): number => 2 * index + 1;

/** Whole calls, each of which is reset at once. */
export function rapidReset(streamCount: number): Flood {
  const fields = callFields('HealthCheck');
  const request = envelope(new Uint8Array(0));
  const one = (id: number) => [headers(id, fields, 0), data(id, request, Flag.END_STREAM), reset(id, ErrorCode.CANCEL)];
  return { opening: greeting, flood: repeat(streamCount, (index) => Buffer.concat(one(idOf(index)))) };
}

/** Calls that are opened and never ended. */
export function openStreams(streamCount: number): Flood {
  const fields = callFields('SendMessage');
  const opened = repeat(streamCount, (index) => headers(idOf(index), fields, 0));
  return { opening: Buffer.concat([greeting, opened]), flood: Buffer.alloc(0) };
}

/** Calls whose requests say that they are of 5 MB, bring what a client may send that waits for no window, and do not end. */
export function endlessBodies(streamCount: number): Flood {
  const fields = callFields('SendMessage');
  const prefix = Buffer.from([0, 0, 0x4f, 0, 0]);
  const opened = repeat(streamCount, (index) =>
    Buffer.concat([headers(idOf(index), fields, 0), data(idOf(index), prefix)]),
  );
  const round = repeat(streamCount, (index) => data(idOf(index), Buffer.alloc(16_000)));
  return { opening: Buffer.concat([greeting, opened, repeat(16, () => round)]), flood: Buffer.alloc(0) };
}

/** Requests of unary calls that lie about what they hold, what is sent of them, and whether that is all. */
export interface LyingRequest {
  readonly bytes: Uint8Array;
  readonly isWhole: boolean;
  /** Code of the status that they are answered with. */
  readonly code: number;
}

/** Length prefixes that lie, of calls of HealthCheck. */
export function lyingRequests(): Readonly<Record<string, LyingRequest>> {
  const message = envelope(new Uint8Array(0));
  const one = (bytes: readonly number[], isWhole: boolean, code: number): LyingRequest => ({
    bytes: Uint8Array.from(bytes),
    isWhole,
    code,
  });
  const { INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED } = StatusCode;
  return {
    // Answered though nothing more comes.
    '4 GiB are claimed': one([0, 0xff, 0xff, 0xff, 0xff], false, RESOURCE_EXHAUSTED),
    'a byte more than may be is claimed': one([0, 0, 0x50, 0, 1], false, RESOURCE_EXHAUSTED),
    'more is claimed than comes': one([0, 0, 0, 0, 9, 1, 2, 3], true, INTERNAL),
    'less is claimed than comes': one([...message, 0, 0], true, INTERNAL),
    'what trails is no message': one([...message, 1, 0, 0, 0, 2, 3], true, INTERNAL),
    'its flags are none': one([9, 0, 0, 0, 0], true, INTERNAL),
    'there are two messages': one([...message, ...message], true, UNIMPLEMENTED),
    'there is none': one([], true, UNIMPLEMENTED),
  };
}

/** One call whose request has begun: it says that it is long. */
const begun = Buffer.concat([
  greeting,
  headers(1, callFields('SendMessage'), 0),
  data(1, Buffer.from([0, 0, 16, 0, 0])),
]);

/** What slow clients say at once, and what of it byte by byte. */
export function slowOpenings(): Readonly<Record<string, { readonly said: Buffer; readonly rest: Buffer }>> {
  const nothing = Buffer.alloc(0);
  return {
    nothing: { said: nothing, rest: nothing },
    preface: { said: nothing, rest: preface },
    headers: { said: greeting, rest: headers(1, callFields('SendMessage')) },
    body: { said: begun, rest: data(1, Buffer.alloc(4_096), Flag.END_STREAM) },
  };
}

/** Frames that bring nothing forward, so many at a time. */
export function uselessFrames(frameCount: number): Readonly<Record<string, Flood>> {
  const flood = (bytes: Buffer): Flood => ({ opening: begun, flood: repeat(frameCount, () => bytes) });
  return {
    PING: flood(ping(1)),
    SETTINGS: flood(setting(SettingId.INITIAL_WINDOW_SIZE, 65_535)),
    PRIORITY: flood(frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(5))),
    WINDOW_UPDATE: flood(windowUpdate(0, 1)),
    'empty DATA': flood(data(1, '')),
    '1-byte DATA': flood(data(1, 'x')),
  };
}

/** Header blocks that cost more than they should, one on each of so many streams. */
export function largeHeaders(streamCount: number): Readonly<Record<string, Flood>> {
  const flood = (one: (id: number) => Buffer, opening = greeting): Flood => ({
    opening,
    flood: repeat(streamCount, (index) => one(idOf(index + 1))),
  });
  const fields = callFields('HealthCheck');
  const bomb = Buffer.concat([Buffer.from([0x40, 1, 0x78, 127]), Buffer.from([0xa1, 0x1e]), Buffer.alloc(4_000, 0x79)]);
  return {
    'a block without end': {
      opening: Buffer.concat([greeting, frame(FrameType.HEADERS, 0, 1, block(fields))]),
      flood: repeat(10_000, () => frame(FrameType.CONTINUATION, 0, 1)),
    },
    'a field of 100 KB': flood((id) => cut(id, block([...fields, ['x', 'y'.repeat(100_000)]]))),
    // Each names an entry of the static table, in one byte.
    '10,000 fields': flood((id) => cut(id, Buffer.concat([block(fields), Buffer.alloc(10_000, 0x90)]))),
    'an HPACK bomb': flood(
      (id) => cut(id, Buffer.concat([block(fields), Buffer.alloc(16_000, 0xbe)])),
      Buffer.concat([greeting, cut(1, Buffer.concat([block(fields), bomb]))]),
    ),
  };
}

/** A header block in as many frames as it takes. */
function cut(streamId: number, bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += 16_384) {
    const isEnd = start + 16_384 >= bytes.length;
    const flags = (start === 0 ? Flag.END_STREAM : 0) | (isEnd ? Flag.END_HEADERS : 0);
    const type = start === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    frames.push(frame(type, flags, streamId, bytes.subarray(start, start + 16_384)));
  }
  return Buffer.concat(frames);
}
