#!/usr/bin/env node
// Fails when src/gen is not what `npm run generate` makes of proto today.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files below a folder, by their path in it. */
function filesOf(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** What is wrong with a committed file; undefined when it is as generated. */
function difference(name, committed, generated) {
  if (!existsSync(join(generated, name))) return 'is not generated any more';
  if (!existsSync(join(committed, name))) return 'is missing';
  const isSame = readFileSync(join(committed, name)).equals(readFileSync(join(generated, name)));
  return isSame ? undefined : 'differs from what is generated';
}

const output = mkdtempSync(join(tmpdir(), 'generated-'));
try {
  const bin = join(root, 'node_modules', '.bin');
  const { status, error } = spawnSync(join(bin, 'buf'), ['generate', '--output', output], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  if (error !== undefined) throw error;
  const committed = join(root, 'src', 'gen');
  const generated = join(output, 'src', 'gen');
  if (status !== 0) process.exitCode = 1;
  else {
    for (const name of new Set([...filesOf(committed), ...filesOf(generated)])) {
      const wrong = difference(name, committed, generated);
      if (wrong === undefined) continue;
      console.error(`${join('src', 'gen', name)} ${wrong}: run \`npm run generate\` and commit the result.`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(output, { recursive: true });
}
