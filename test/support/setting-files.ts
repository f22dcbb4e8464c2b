import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder for files that settings name; removed when the test ends. */
export class SettingFolder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'settings-'));

  constructor() {
    onTestFinished(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Writes a file, whole at once for whoever reads it. @returns its path. */
  write(name: string, content: string): string {
    writeFileSync(this.path(`${name}.new`), content);
    renameSync(this.path(`${name}.new`), this.path(name));
    return this.path(name);
  }

  remove(name: string): void {
    rmSync(this.path(name));
  }
}
