import {
  type Answer,
  type Command,
  type CommandContent,
  CommandFlag,
  emptyBody,
  newExtFields,
  Serialization,
} from './command.ts';
import { RemotingError } from './errors.ts';
import { type Frame, headerAt, writeFrameStart } from './frame.ts';
import { binaryHeaderBytesMax, decodeBinaryHeader, writeBinaryHeader } from './header-binary.ts';
import { decodeJsonHeader, jsonHeader } from './header-json.ts';
import { claimedVersion } from './version.ts';

/** Where a frame is written. */
export interface Room {
  readonly bytes: Buffer;
  /** Where in `bytes` to write. */
  readonly at: number;
  /** Makes sure that there is room for so many bytes at `at`. */
  reserve(bytesMax: number): void;
}

/**
 * Writes the frame of a command, all but its body. What does not fit a binary header goes as JSON whatever was asked for.
 * @param frameBytesMax of the whole frame.
 * @returns where in `room.bytes` it ends.
 * @throws RemotingError `malformed` when the frame would be larger than `frameBytesMax`.
 */
export function writeHead(command: Command, serialization: Serialization, frameBytesMax: number, room: Room): number {
  const binaryBytesMax = serialization === Serialization.ROCKETMQ ? binaryHeaderBytesMax(command) : undefined;
  const text = binaryBytesMax === undefined ? jsonHeader(command) : '';
  room.reserve(headerAt + (binaryBytesMax ?? Buffer.byteLength(text)));
  const { bytes, at } = room;
  const headerStart = at + headerAt;
  const end =
    binaryBytesMax === undefined
      ? headerStart + bytes.write(text, headerStart)
      : writeBinaryHeader(command, bytes, headerStart);
  const shape = {
    serialization: binaryBytesMax === undefined ? Serialization.JSON : Serialization.ROCKETMQ,
    headerBytes: end - headerStart,
    bodyBytes: command.body.length,
  };
  writeFrameStart(bytes, at, shape, frameBytesMax);
  return end;
}

/**
 * Servers may answer in another serialisation than they were asked in, so each frame is read by its own mark.
 * @throws RemotingError `malformed` when the header makes no sense.
 */
export function decodeCommand(frame: Frame): Command {
  switch (frame.serialization) {
    case Serialization.JSON:
      return decodeJsonHeader(frame);
    case Serialization.ROCKETMQ:
      return decodeBinaryHeader(frame);
    default:
      throw new RemotingError('malformed', `unknown header serialisation ${frame.serialization}`);
  }
}

/** The serialisation to answer a frame in: its own. */
export function serializationOf({ serialization }: Frame): Serialization {
  return serialization === Serialization.ROCKETMQ ? Serialization.ROCKETMQ : Serialization.JSON;
}

/** A view of `bytes` as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array | undefined): Buffer {
  if (bytes === undefined) return emptyBody;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A request as a command. @param flag `CommandFlag` bits. */
export function requestOf(content: CommandContent, opaque: number, flag: number): Command {
  const { code, extFields, body, version = claimedVersion, language } = content;
  const whole = { code, opaque, flag, version, remark: undefined, extFields, body: asBuffer(body) };
  return language === undefined ? whole : { ...whole, language };
}

/** The reply to a request, as a command. */
export function replyTo(request: Command, { code, remark, extFields = newExtFields(), body }: Answer): Command {
  const { opaque } = request;
  return { code, opaque, flag: CommandFlag.RESPONSE, version: claimedVersion, remark, extFields, body: asBuffer(body) };
}
