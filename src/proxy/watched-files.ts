import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Log } from '../log.ts';

/** How often files are looked at again, in ms. */
export const fileCheckIntervalMs = 2_000;

/** Most bytes of one file that a setting names. */
export const settingFileBytesMax = 4_194_304;

/** A file that a setting names and that cannot be used. Names setting and file, never what stands in it. */
export class SettingFileError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SettingFileError';
  }
}

/** Files by the settings that name them. */
export type SettingFiles = Readonly<Record<string, string>>;

/** What stands in them, by the same names. */
export type FileContents = Readonly<Record<string, Buffer>>;

/** @throws SettingFileError */
export function readSettingFiles(files: SettingFiles): FileContents {
  return Object.fromEntries(
    Object.entries(files).map(([setting, path]) => {
      try {
        return [setting, checkSize(setting, path, readFileSync(path))];
      } catch (error) {
        throw cannotRead(setting, path, error);
      }
    }),
  );
}

export interface WatchOptions {
  /** Called with what stands in the files now, when any of them has changed. What it throws is logged. */
  readonly onChange: (contents: FileContents) => void;
  readonly log: Log;
  /** Default: `fileCheckIntervalMs`. */
  readonly intervalMs?: number | undefined;
}

/**
 * Looks again and again whether files have changed. They are read, because what notifies of changes does not see that a folder or a link on
 * their way was replaced, which is how containers get theirs. What cannot be read or used is told to the log, once for each change.
 */
export class WatchedFiles {
  readonly #files: SettingFiles;
  readonly #options: WatchOptions;
  readonly #timer: NodeJS.Timeout;
  #seen: string;
  #checking = false;

  /** @param contents what the files held when they were first read. */
  constructor(files: SettingFiles, contents: FileContents, options: WatchOptions) {
    this.#files = files;
    this.#options = options;
    this.#seen = fingerprint(contents);
    this.#timer = setInterval(() => void this.#check(), options.intervalMs ?? fileCheckIntervalMs).unref();
  }

  /** Looks at once, not only when it is time again. */
  checkNow(): void {
    void this.#check();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never fails. */
  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const { log, onChange } = this.#options;
    const settings = Object.keys(this.#files);
    try {
      const contents = await readAll(this.#files);
      if (this.#isNew(fingerprint(contents))) {
        onChange(contents);
        log.info({ settings }, 'files of these settings have changed, and what stands in them now is in use');
      }
    } catch (error) {
      const isNew = error instanceof UnreadableError ? this.#isNew(error.message) : true;
      if (isNew) log.error({ settings, err: error }, 'files of these settings have changed and are not used');
    } finally {
      this.#checking = false;
    }
  }

  #isNew(seen: string): boolean {
    const isNew = seen !== this.#seen;
    this.#seen = seen;
    return isNew;
  }
}

/** A file that was there and cannot be read now. */
class UnreadableError extends SettingFileError {}

async function readAll(files: SettingFiles): Promise<FileContents> {
  const contents: Record<string, Buffer> = {};
  for (const [setting, path] of Object.entries(files)) {
    try {
      contents[setting] = checkSize(setting, path, await readFile(path));
    } catch (error) {
      throw new UnreadableError(cannotRead(setting, path, error).message, error);
    }
  }
  return contents;
}

function checkSize(setting: string, path: string, content: Buffer): Buffer {
  if (content.length <= settingFileBytesMax) return content;
  throw new SettingFileError(`${setting} (${path}) has more than ${settingFileBytesMax} bytes`);
}

function cannotRead(setting: string, path: string, error: unknown): SettingFileError {
  if (error instanceof SettingFileError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new SettingFileError(`${setting} (${path}) cannot be read (${code})`, error);
}

function fingerprint(contents: FileContents): string {
  return Object.values(contents)
    .map((content) => createHash('sha256').update(content).digest('hex'))
    .join();
}
