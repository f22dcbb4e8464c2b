import type { FoundFile, LogFile, LogFiles } from './log-files.ts';

const firstBytes = 64 * 1024;

/** A file in memory: it takes up to twice its length. */
class MemoryFile implements LogFile {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  write(bytes: Buffer, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(firstBytes, end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, position);
    this.#length = Math.max(this.#length, end);
  }

  read(target: Buffer, targetStart: number, length: number, position: number): number {
    return this.#bytes.copy(target, targetStart, position, Math.min(position + length, this.#length));
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  truncate(length: number): void {
    this.#length = length;
  }

  close(): void {}
}

/** The files of a log that ends with the process. They can be opened again as long as they are held. */
export class MemoryFiles implements LogFiles {
  readonly #files = new Map<number, MemoryFile>();

  list(): readonly FoundFile[] {
    return [...this.#files].map(([start, file]) => ({ start, bytes: file.length })).sort((a, b) => a.start - b.start);
  }

  open(start: number): LogFile {
    return this.#files.get(start) ?? this.create(start);
  }

  create(start: number): LogFile {
    const file = new MemoryFile();
    this.#files.set(start, file);
    return file;
  }

  remove(start: number): void {
    this.#files.delete(start);
  }

  describe(start: number): string {
    return `segment ${start} in memory`;
  }

  close(): void {}
}
