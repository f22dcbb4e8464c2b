import type { Broadcast } from '../consumer.ts';
import { invalidArgument } from './rocketmq-error.ts';

/** Where a member of a broadcast keeps its place, so that its next start goes on from there. */
export interface LocalOffsets {
  /** Folder of the files, made where it is missing: one for each member and group. */
  readonly directory: string;
  /** Tells this member from others that use the folder: the same at each start, and only one process at a time has it. */
  readonly clientId: string;
}

/** @returns undefined where members share the messages. @throws RocketMQError `INVALID_ARGUMENT`. */
export function broadcastOf(broadcast: boolean | LocalOffsets = false): Broadcast | undefined {
  if (broadcast === false) return undefined;
  if (broadcast === true) return { localOffsets: undefined };
  const { directory, clientId } = broadcast;
  for (const [name, text] of Object.entries({ directory, clientId })) {
    if (typeof text !== 'string' || text === '') throw invalidArgument(`broadcast.${name} is missing: give a text`);
  }
  return { localOffsets: { directory, clientId } };
}
