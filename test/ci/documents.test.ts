import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settings } from '../../src/settings.ts';

/** Documents for users. The change log tells of the past, when other things were there. */
const documents = [...readdirSync('.'), ...readdirSync('docs').map((name) => join('docs', name))]
  .filter((path) => path.endsWith('.md') && path !== 'CHANGELOG.md')
  .map((path): [string, string] => [path, readFileSync(path, 'utf8')]);

const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found = '']) => found);

/** The part of a link behind `#` for each heading, as GitHub makes it. */
function anchors(text: string): string[] {
  const headings = all(text, /^#+ (.+)$/gm).map((heading) => heading.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

describe.each(documents)('%s', (path, text) => {
  it('links to what is there', () => {
    const links = all(text, /\]\(([^)\s]+)\)/g).filter((link) => !link.includes('://'));
    const broken = links.filter((link) => {
      const [file = '', anchor] = link.split('#');
      const linked = file === '' ? path : join(dirname(path), file);
      return !existsSync(linked) || (anchor !== undefined && !anchors(readFileSync(linked, 'utf8')).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  it('names commands that are there', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    const unknownScripts = all(text, /npm run ([a-z][\w:]*)/g).filter((name) => !(name in scripts));
    const examples = all(text, /\b(examples\/[\w.-]+\.mjs)/g);
    const missing = examples.filter((example) => !existsSync(example));
    expect([...unknownScripts, ...missing]).toEqual([]);
  });

  it('names settings that are there', () => {
    // The last one is a reason of the SDK's errors.
    const known = new Set<string>([...Object.values(settings).map(({ env }) => env), 'PROXY_UNREACHABLE']);
    expect(all(text, /`(PROXY_[A-Z0-9_]+)/g).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('README.zh-CN.md', () => {
  const read = (path: string): string => readFileSync(path, 'utf8');
  const blocks = (text: string): string[] => all(text, /^(```\w+\n.*?)^```$/gms);

  it('shows commands and code as README.md does, and both link to each other', () => {
    const [english, chinese] = [read('README.md'), read('README.zh-CN.md')];
    const others = blocks(chinese).filter((block) => !blocks(english).includes(block));
    expect(others).toEqual([]);
    expect(blocks(chinese).length).toBeGreaterThan(3);
    expect(chinese).toContain('(README.md)');
    expect(english).toContain('(README.zh-CN.md)');
  });
});
