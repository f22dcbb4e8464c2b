import {
  closeSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../../log.ts';
import type { FoundFile, LogFile, LogFiles } from './log-files.ts';

const syncData = promisify(fdatasync);

class DiskFile implements LogFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(bytes: Buffer, position: number): void {
    let done = 0;
    while (done < bytes.length) done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
  }

  read(target: Buffer, targetStart: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, target, targetStart + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  sync(): Promise<void> {
    return syncData(this.#fd);
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Digits of a file's name: the offset that it starts with, as RocketMQ names its own. */
const nameDigits = 20;

/** The files of a log in `<directory>/commitlog`. */
export class DiskFiles implements LogFiles {
  readonly #folder: string;
  readonly #log: Log;

  constructor(directory: string, log: Log) {
    this.#folder = join(directory, 'commitlog');
    this.#log = log;
    mkdirSync(this.#folder, { recursive: true });
    syncFolder(directory);
  }

  list(): readonly FoundFile[] {
    const found: FoundFile[] = [];
    for (const entry of readdirSync(this.#folder, { withFileTypes: true })) {
      const start = Number(entry.name);
      if (entry.isFile() && this.#name(start) === entry.name) {
        found.push({ start, bytes: statSync(this.#path(start)).size });
      } else {
        this.#log.warn({ file: join(this.#folder, entry.name) }, 'this is no file of the log: it is left alone');
      }
    }
    return found.sort((a, b) => a.start - b.start);
  }

  open(start: number): LogFile {
    return new DiskFile(openSync(this.#path(start), 'r+'));
  }

  create(start: number): LogFile {
    rmSync(this.#path(start), { force: true });
    const file = new DiskFile(openSync(this.#path(start), 'wx+'));
    try {
      syncFolder(this.#folder);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  remove(start: number): void {
    rmSync(this.#path(start), { force: true });
  }

  describe(start: number): string {
    return this.#path(start);
  }

  close(): void {}

  #name(start: number): string {
    return String(start).padStart(nameDigits, '0');
  }

  #path(start: number): string {
    return join(this.#folder, this.#name(start));
  }
}

/** A new file is there for sure only when its folder is on the disk. Windows has no such thing to ask for. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
