import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterEach, expect, test, vi } from 'vitest';

const guarded = await mkdtemp(join(tmpdir(), 'rocketmq-guard-'));
const program = await mkdtemp(join(tmpdir(), 'rocketmq-guard-test-'));

afterEach(async () => {
  await rm(guarded, { recursive: true, force: true });
  await rm(program, { recursive: true, force: true });
});

test('when the process dies by SIGKILL, its children die and its folder goes', async () => {
  const source = await readFile(new URL('guard.ts', import.meta.url), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
  await writeFile(join(program, 'guard.mjs'), ts.transpileModule(source, { compilerOptions }).outputText);
  await writeFile(
    join(program, 'main.mjs'),
    `import { spawn } from 'node:child_process';
     import { startGuard } from './guard.mjs';
     const guard = startGuard(${JSON.stringify(guarded)});
     guard.watch([spawn('sleep', ['600'], { stdio: ['ignore', 'inherit', 'ignore'] })]);
     console.log('watching');`,
  );
  const parent = spawn(process.execPath, [join(program, 'main.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(parent.stdout, 'data');
  expect(existsSync(guarded)).toBe(true);

  parent.kill('SIGKILL');
  // The sleeping child holds the other end of our pipe: the pipe closes when it is gone too.
  await once(parent, 'close');
  await vi.waitUntil(() => !existsSync(guarded), { timeout: 10_000 });
});
