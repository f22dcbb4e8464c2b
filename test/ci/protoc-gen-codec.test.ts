import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

/** Runs the plugin for a method `Do` whose request has a field. @returns what it complains of; empty where it does not. */
function generate(field: string, method = 'Do'): string {
  const folder = mkdtempSync(join(tmpdir(), 'codec-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const proto = `syntax = "proto3"; package p; service S { rpc Do(A) returns (A); } message A { ${field} }`;
  writeFileSync(join(folder, 'a.proto'), proto);
  const local = ['node', resolve('.ci/protoc-gen-codec.mjs')];
  const plugins = [{ local, out: 'out', opt: ['target=ts', `method=${method}`] }];
  const template = JSON.stringify({ version: 'v2', plugins });
  const buf = resolve('node_modules/.bin/buf');
  const { stderr, error } = spawnSync(buf, ['generate', '--template', template], { cwd: folder, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return stderr;
}

it('writes a codec for fields that it knows', () => {
  expect(generate('string a = 1; map<string, string> b = 2; repeated A c = 3;')).toBe('');
});

it('refuses fields that it does not know', () => {
  expect(generate('string a = 1; oneof b { A c = 3; }')).toContain(
    'field p.A.c: .ci/protoc-gen-codec.mjs does not know fields of this kind',
  );
});

it('refuses a method that there is not', () => {
  expect(generate('', 'Dou')).toContain('no service has a method Dou');
});
