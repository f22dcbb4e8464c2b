import { type Command, Serialization } from '../../src/remoting/command.ts';
import { writeHead } from '../../src/remoting/command-codec.ts';
import { type Frame, frameBytesMaxDefault } from '../../src/remoting/frame.ts';

/** The frame of a command: all but its body, and, where it has one, the body. */
export function encodeCommand(
  command: Command,
  serialization: Serialization = Serialization.JSON,
  frameBytesMax: number = frameBytesMaxDefault,
): Buffer[] {
  const room = {
    bytes: Buffer.alloc(0),
    at: 0,
    reserve(bytesMax: number): void {
      room.bytes = Buffer.alloc(bytesMax);
    },
  };
  const end = writeHead(command, serialization, frameBytesMax, room);
  const head = room.bytes.subarray(0, end);
  return command.body.length === 0 ? [head] : [head, command.body];
}

/** A frame of which only the header's bytes are known. */
export function frameOfHeader(header: Buffer, serialization = 0): Frame {
  // Nothing may be read of what stands around it.
  const bytes = Buffer.concat([Buffer.alloc(3, 0x7b), header, Buffer.alloc(3, 0x7d)]);
  return { serialization, bytes, headerStart: 3, headerEnd: 3 + header.length, body: Buffer.alloc(0) };
}

/** The header's bytes of a frame. */
export function headerOf({ bytes, headerStart, headerEnd }: Frame): Buffer {
  return bytes.subarray(headerStart, headerEnd);
}
