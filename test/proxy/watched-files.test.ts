import { expect, it, onTestFinished, vi } from 'vitest';
import {
  type FileContents,
  readSettingFiles,
  SettingFileError,
  settingFileBytesMax,
  WatchedFiles,
} from '../../src/proxy/watched-files.ts';
import { MemoryLog } from '../support/scripted-cluster.ts';
import { SettingFolder } from '../support/setting-files.ts';

const soon = { timeout: 15_000, interval: 5 };

it('reads files, and names setting, file and cause where it cannot', () => {
  const folder = new SettingFolder();
  const there = folder.write('there', 'content');
  expect(readSettingFiles({ A: there })['A']?.toString()).toBe('content');
  expect(() => readSettingFiles({ A: there, B: folder.path('missing') })).toThrow(
    new SettingFileError(`B (${folder.path('missing')}) cannot be read (ENOENT)`),
  );
});

it('takes files of up to 4 MiB', () => {
  const folder = new SettingFolder();
  folder.write('a', 'x'.repeat(settingFileBytesMax));
  expect(readSettingFiles({ A: folder.path('a') })['A']).toHaveLength(settingFileBytesMax);
  folder.write('a', 'x'.repeat(settingFileBytesMax + 1));
  expect(() => readSettingFiles({ A: folder.path('a') })).toThrow('has more than 4194304 bytes');
});

it('tells of each change once, and once of what cannot be read or used', async () => {
  const folder = new SettingFolder();
  const files = { A: folder.write('a', '1'), B: folder.write('b', '1') };
  const log = new MemoryLog();
  const seen: string[] = [];
  const onChange = (contents: FileContents): void => {
    const text = `${contents['A']}${contents['B']}`;
    seen.push(text);
    if (text.includes('bad')) throw new SettingFileError('no good');
  };
  const watched = new WatchedFiles(files, readSettingFiles(files), { onChange, log, intervalMs: 5 });
  onTestFinished(() => watched.close());
  const said = (): string[] => log.lines.map(({ level }) => level);

  folder.write('b', '2');
  await vi.waitFor(() => expect(seen).toEqual(['12']), soon);
  folder.write('a', 'bad');
  await vi.waitFor(() => expect(seen).toEqual(['12', 'bad2']), soon);
  folder.remove('a');
  await vi.waitFor(() => expect(said()).toEqual(['info', 'error', 'error']), soon);
  expect(JSON.stringify(log.lines.at(-1)?.fields)).toContain('A');
  folder.write('a', '3');
  await vi.waitFor(() => expect(said()).toEqual(['info', 'error', 'error', 'info']), soon);
  expect(seen).toEqual(['12', 'bad2', '32']);
});
