import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Log } from '../log.ts';
import { isJsonObject, type Json } from '../remoting/json.ts';

/** All state as it was at one place of the log. */
export interface Checkpoint {
  /** Changes of state from this commit log offset on are not in it. */
  readonly position: number;
  /** What `StateLog.snapshot` gave. */
  readonly state: Json;
  /** The next offset of every queue, for those whose messages are all gone. */
  readonly queues: readonly (readonly [topic: string, queueId: number, nextOffset: number])[];
}

/** The last checkpoint and the one before it, in case a disk damages the last. */
export class CheckpointFile {
  readonly #path: string;
  readonly #previousPath: string;
  readonly #log: Log | undefined;

  constructor(directory: string, log: Log | undefined) {
    this.#path = join(directory, 'checkpoint.json');
    this.#previousPath = join(directory, 'checkpoint.previous.json');
    this.#log = log;
  }

  /** Takes the place of the one before in one step: a crash leaves either. */
  save(checkpoint: Checkpoint): void {
    const text = JSON.stringify(checkpoint);
    const next = `${this.#path}.next`;
    writeFileSync(next, `${crcOf(text)}\n${text}`);
    const file = openSync(next, 'r+');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      renameSync(this.#path, this.#previousPath);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    renameSync(next, this.#path);
  }

  /** Undefined where there is none that can be read: state is then made from the whole log. */
  load(): Checkpoint | undefined {
    return this.#read(this.#path) ?? this.#read(this.#previousPath);
  }

  #read(path: string): Checkpoint | undefined {
    let content: string;
    try {
      content = readFileSync(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) this.#log?.warn({ err: error, path }, 'a checkpoint cannot be read');
      return undefined;
    }
    const lineEnd = content.indexOf('\n');
    const text = content.slice(lineEnd + 1);
    if (lineEnd > 0 && content.slice(0, lineEnd) === crcOf(text)) {
      const checkpoint = parse(text);
      if (checkpoint !== undefined) return checkpoint;
    }
    this.#log?.warn({ path }, 'a checkpoint is damaged and not used');
    return undefined;
  }
}

function crcOf(text: string): string {
  return crc32(text).toString(16);
}

function parse(text: string): Checkpoint | undefined {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { position, state, queues } = value;
  if (typeof position !== 'number' || state === undefined || !Array.isArray(queues)) return undefined;
  return { position, state, queues: queues as unknown as Checkpoint['queues'] };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
