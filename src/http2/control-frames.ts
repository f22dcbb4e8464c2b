import { Flag, FrameType, frameHeadBytes, windowBytesDefault, writeFrameHead } from './frame.ts';
import type { Http2Options } from './options.ts';
import type { Output } from './output.ts';
import { SettingId } from './settings.ts';

/** Most bytes of the text in GOAWAY. */
const goawayTextBytesMax = 200;

const settingBytes = 6;

/** The server's preface: its SETTINGS, and the window of the connection. */
export function writeGreeting(output: Output, options: Http2Options): void {
  const settings = [
    [SettingId.MAX_CONCURRENT_STREAMS, options.streamsMax],
    [SettingId.INITIAL_WINDOW_SIZE, options.streamWindowBytes],
    [SettingId.MAX_HEADER_LIST_SIZE, options.headerBytesMax],
  ] as const;
  const head = { type: FrameType.SETTINGS, flags: 0, streamId: 0 };
  let offset = beginFrame(output, settings.length * settingBytes, head);
  for (const [id, value] of settings) {
    output.buffer.writeUInt16BE(id, offset);
    offset = output.buffer.writeUInt32BE(value, offset + 2);
  }
  if (options.connectionWindowBytes > windowBytesDefault)
    writeWindowUpdate(output, 0, options.connectionWindowBytes - windowBytesDefault);
}

export function writeSettingsAck(output: Output): void {
  beginFrame(output, 0, { type: FrameType.SETTINGS, flags: Flag.ACK, streamId: 0 });
}

/**
 * An answer to a PING leaves with what is written next: gRPC clients measure the network by one for nearly every reply.
 * @param data Eight bytes.
 */
export function writePing(output: Output, data: Uint8Array, isAck: boolean): void {
  const bytes = frameHeadBytes + data.length;
  const offset = isAck ? output.lateRoom(bytes) : output.room(bytes);
  writeFrameHead(output.buffer, offset, data.length, {
    type: FrameType.PING,
    flags: isAck ? Flag.ACK : 0,
    streamId: 0,
  });
  output.buffer.set(data, offset + frameHeadBytes);
  output.advance(offset + bytes);
}

/** @param lastStreamId The last stream that was or may still be served. */
export function writeGoaway(output: Output, lastStreamId: number, code: number, text: string): void {
  const debug = Buffer.from(text).subarray(0, goawayTextBytesMax);
  const offset = beginFrame(output, 8 + debug.length, { type: FrameType.GOAWAY, flags: 0, streamId: 0 });
  output.buffer.writeUInt32BE(lastStreamId, offset);
  output.buffer.writeUInt32BE(code, offset + 4);
  output.buffer.set(debug, offset + 8);
}

export function writeReset(output: Output, streamId: number, code: number): void {
  const offset = beginFrame(output, 4, { type: FrameType.RST_STREAM, flags: 0, streamId });
  output.buffer.writeUInt32BE(code, offset);
}

/** @param streamId 0: of the connection. */
export function writeWindowUpdate(output: Output, streamId: number, bytes: number): void {
  const offset = beginFrame(output, 4, { type: FrameType.WINDOW_UPDATE, flags: 0, streamId });
  output.buffer.writeUInt32BE(bytes, offset);
}

/** @returns Where the payload goes, whose room counts as written. */
function beginFrame(
  output: Output,
  payloadBytes: number,
  head: { readonly type: number; readonly flags: number; readonly streamId: number },
): number {
  const offset = output.room(frameHeadBytes + payloadBytes);
  writeFrameHead(output.buffer, offset, payloadBytes, head);
  const start = offset + frameHeadBytes;
  output.advance(start + payloadBytes);
  return start;
}
