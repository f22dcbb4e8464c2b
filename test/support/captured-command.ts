import type { Command } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import { fixture } from '../fixtures/fixture.ts';

/** The command in a captured frame: `capturedCommand('send-5.5.0')`. */
export function capturedCommand(name: string): Command {
  const [frame] = new FrameDecoder().push(fixture(name));
  if (frame === undefined) throw new Error(`${name} is not a whole frame`);
  return decodeCommand(frame);
}
