import type { Log } from '../log.ts';
import { Tokens, tokensSetting } from './access/tokens.ts';
import { readTlsFiles, type TlsFileSettings, type TlsMaterial, tlsFiles, toTlsMaterial } from './port/tls-files.ts';
import type { Sealer } from './session/seal.ts';
import { readSealKeys, sealKeyFileSetting } from './session/seal-keys.ts';
import { type FileContents, readSettingFiles, type SettingFiles, WatchedFiles } from './watched-files.ts';

export interface WatchedSettingsOptions {
  readonly tls?: TlsFileSettings | undefined;
  readonly tokensFile?: string | undefined;
  readonly sealKeyFile?: string | undefined;
  readonly fileCheckIntervalMs?: number | undefined;
  readonly log: Log;
}

/** What stands in files that settings name, and is used anew when it changes. */
export class WatchedSettings {
  readonly #options: WatchedSettingsOptions;
  readonly #watched: WatchedFiles[] = [];

  constructor(options: WatchedSettingsOptions) {
    this.#options = options;
  }

  /** Undefined where no file is set. @throws SettingFileError */
  tokens(): Tokens | undefined {
    const { tokensFile } = this.#options;
    if (tokensFile === undefined) return undefined;
    const files = { [tokensSetting]: tokensFile };
    const contents = readSettingFiles(files);
    const tokens = new Tokens(contents);
    this.#watch(files, contents, (changed) => tokens.replace(changed));
    return tokens;
  }

  /** Has the sealer use what stands in the file of seal keys, where one is set. @throws SettingFileError, SealKeyError */
  sealKeys(sealer: Sealer): void {
    const { sealKeyFile } = this.#options;
    if (sealKeyFile === undefined) return;
    const files = { [sealKeyFileSetting]: sealKeyFile };
    const use = (contents: FileContents): void => sealer.replaceKeys(readSealKeys(contents));
    const contents = readSettingFiles(files);
    use(contents);
    this.#watch(files, contents, use);
  }

  /** Undefined where the port is cleartext. @param renew called with what is to be used from now on. @throws SettingFileError */
  tls(renew: (material: TlsMaterial) => void): TlsMaterial | undefined {
    const { tls } = this.#options;
    const files = tls === undefined ? undefined : tlsFiles(tls);
    if (files === undefined) return undefined;
    const { contents, material } = readTlsFiles(files);
    this.#watch(files, contents, (changed) => renew(toTlsMaterial(changed)));
    return material;
  }

  /** Looks at all of them now. */
  check(): void {
    for (const watched of this.#watched) watched.checkNow();
  }

  /** Looks no more. */
  close(): void {
    for (const watched of this.#watched) watched.close();
  }

  #watch(files: SettingFiles, contents: FileContents, onChange: (contents: FileContents) => void): void {
    const { log, fileCheckIntervalMs: intervalMs } = this.#options;
    this.#watched.push(new WatchedFiles(files, contents, { onChange, log, intervalMs }));
  }
}
