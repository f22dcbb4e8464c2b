import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Checkpoint, CheckpointFile } from '../../src/broker/checkpoint.ts';
import type { Log } from '../../src/log.ts';

const first: Checkpoint = { position: 100, state: { topics: ['a'] }, queues: [['a', 0, 7]] };
const second: Checkpoint = { position: 200, state: { topics: ['a', 'bü'] }, queues: [] };

describe('the checkpoint file', () => {
  let folder: string;
  let file: CheckpointFile;
  let warnings: unknown[];
  const current = (): string => join(folder, 'checkpoint.json');
  const previous = (): string => join(folder, 'checkpoint.previous.json');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
    warnings = [];
    const log: Log = { debug() {}, info() {}, error() {}, warn: (facts) => warnings.push(facts) };
    file = new CheckpointFile(folder, log);
    onTestFinished(() => rmSync(folder, { recursive: true }));
  });

  it('gives nothing where there is none, and says nothing of it', () => {
    expect(file.load()).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it('gives the last of several, and leaves nothing else behind', () => {
    file.save(first);
    expect(file.load()).toEqual(first);
    file.save(second);
    expect(file.load()).toEqual(second);
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.json', 'checkpoint.previous.json']);
    file.save(first);
    expect(new CheckpointFile(folder, undefined).load()).toEqual(first);
  });

  it('gives the one before where the last is damaged at any byte, or cut anywhere', () => {
    file.save(first);
    file.save(second);
    const bytes = readFileSync(current());
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x04;
      writeFileSync(current(), flipped);
      expect(file.load(), `byte ${at} flipped`).toEqual(first);
      writeFileSync(current(), bytes.subarray(0, at));
      expect(file.load(), `cut at ${at}`).toEqual(first);
    }
    expect(warnings).toHaveLength(2 * bytes.length);
    expect(warnings[0]).toEqual({ path: current() });
  });

  it('gives nothing where both are damaged', () => {
    file.save(first);
    file.save(second);
    for (const path of [current(), previous()]) writeFileSync(path, 'x');
    expect(file.load()).toBeUndefined();
    expect(warnings).toEqual([{ path: current() }, { path: previous() }]);
  });

  it.each(['null', '[]', '{}', '{"position":"1","state":{},"queues":[]}', '{"position":1,"queues":[]}', '', '{'])(
    'passes over one whose sum is right and whose text is %j',
    (text) => {
      file.save(first);
      file.save(second);
      writeFileSync(current(), `${crc32(text).toString(16)}\n${text}`);
      expect(file.load()).toEqual(first);
    },
  );

  it('survives a crash before the first rename: the last one still holds', () => {
    file.save(first);
    writeFileSync(`${current()}.next`, 'half of a checkp');
    expect(file.load()).toEqual(first);
    file.save(second);
    expect(file.load()).toEqual(second);
  });

  it('survives a crash between the renames: what was the last is the one before', () => {
    file.save(first);
    renameSync(current(), previous());
    expect(file.load()).toEqual(first);
    file.save(second);
    expect(file.load()).toEqual(second);
  });

  it('says which file cannot be read', () => {
    const missing = new CheckpointFile(current(), {
      debug() {},
      info() {},
      error() {},
      warn: (facts) => warnings.push(facts),
    });
    writeFileSync(current(), 'no folder');
    expect(missing.load()).toBeUndefined();
    expect(warnings).toMatchObject([{ err: { code: 'ENOTDIR' } }, { err: { code: 'ENOTDIR' } }]);
  });
});
