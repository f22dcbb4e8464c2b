#!/usr/bin/env node
// Writes the Node SDK, compiled to ES modules in dist, once more for programs that require() it: dist/cjs, with the same types beside.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const cjs = join(dist, 'cjs');
const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023 };

/** The modules that a module needs, its types included: paths without their endings. */
function importsOf(module, texts) {
  const files = texts.flatMap((text) => ts.preProcessFile(text).importedFiles);
  const own = files.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
  return own.map((name) => join(dirname(module), name.replace(/\.[jt]s$/, '')));
}

rmSync(cjs, { recursive: true, force: true });
const modules = new Set([join(dist, 'sdk', 'sdk')]);
for (const module of modules) {
  const [code, types] = [`${module}.js`, `${module}.d.ts`].map((path) => readFileSync(path, 'utf8'));
  const target = join(cjs, relative(dist, module));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(`${target}.js`, ts.transpileModule(code, { compilerOptions, fileName: `${module}.js` }).outputText);
  copyFileSync(`${module}.d.ts`, `${target}.d.ts`);
  for (const imported of importsOf(module, [code, types])) modules.add(imported);
}
writeFileSync(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');
