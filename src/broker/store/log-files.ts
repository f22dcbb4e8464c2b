/** One file of the log. Errors are those of the operating system, with their `code`. */
export interface LogFile {
  /** Writes all or throws; then some may be written. Synchronous: handing 25 KB to the system takes 13 µs, to another thread and back 80. */
  write(bytes: Buffer, position: number): void;
  /** @returns How many bytes were read: fewer than asked for only at the end of the file. */
  read(target: Buffer, targetStart: number, length: number, position: number): number;
  /** Resolves when the disk has what was written. */
  sync(): Promise<void>;
  truncate(length: number): void;
  close(): void;
}

/** A file of the log that was found: the commit log offset that it starts with, and its length. */
export interface FoundFile {
  readonly start: number;
  readonly bytes: number;
}

/** Where the files of the log are. */
export interface LogFiles {
  /** What stands there, by offset. */
  list(): readonly FoundFile[];
  open(start: number): LogFile;
  /** A new, empty file; one of the same name goes. */
  create(start: number): LogFile;
  remove(start: number): void;
  /** How messages for people name a file. */
  describe(start: number): string;
  /** To be called when all files are closed. */
  close(): void;
}
