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
import { encodeFrameHead, type Frame, frameBytesMaxDefault } from './frame.ts';
import { decodeBinaryHeader, encodeBinaryHeader, fitsBinaryHeader } from './header-binary.ts';
import { decodeJsonHeader, encodeJsonHeader } from './header-json.ts';
import { claimedVersion } from './version.ts';

/**
 * The frame of a command as buffers to be written one after the other, so that the body is not copied.
 * A code that does not fit a binary header goes as JSON whatever was asked for.
 * @throws RemotingError `malformed` when the frame would be larger than `frameBytesMax`.
 */
export function encodeCommand(
  command: Command,
  serialization: Serialization,
  frameBytesMax: number = frameBytesMaxDefault,
): Buffer[] {
  const binary = serialization === Serialization.ROCKETMQ && fitsBinaryHeader(command.code);
  const header = binary ? encodeBinaryHeader(command) : encodeJsonHeader(command);
  const mark = binary ? Serialization.ROCKETMQ : Serialization.JSON;
  const head = encodeFrameHead(mark, header, command.body.length, frameBytesMax);
  return command.body.length === 0 ? [head] : [head, command.body];
}

/**
 * Servers may answer in another serialisation than they were asked in, so each frame is read by its own mark.
 * @throws RemotingError `malformed` when the header makes no sense.
 */
export function decodeCommand(frame: Frame): Command {
  switch (frame.serialization) {
    case Serialization.JSON:
      return { ...decodeJsonHeader(frame.header), body: frame.body };
    case Serialization.ROCKETMQ:
      return { ...decodeBinaryHeader(frame.header), body: frame.body };
    default:
      throw new RemotingError('malformed', `unknown header serialisation ${frame.serialization}`);
  }
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
