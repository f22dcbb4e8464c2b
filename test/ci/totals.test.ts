import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

interface Report {
  readonly passed: number;
  readonly failed: number;
  /** Files that failed before their first test. */
  readonly broken?: number;
}

const failedTest = { status: 'failed', fullName: 'counts to three', failureMessages: ['expected 2 to be 3'] };

function totals(...reports: (Report | 'absent')[]): { readonly code: number | null; readonly lines: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'totals-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const paths = reports.map((report, index) => {
    const path = join(folder, `${index}.json`);
    if (report === 'absent') return path;
    const files = [
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
      ...(report.failed > 0
        ? [{ status: 'failed', name: 'a.test.ts', assertionResults: [failedTest, { status: 'passed' }] }]
        : []),
      ...Array.from({ length: report.broken ?? 0 }, () => ({
        status: 'failed',
        name: 'b.test.ts',
        message: 'no such module',
        assertionResults: [],
      })),
    ];
    const counts = { numPassedTests: report.passed, numFailedTests: report.failed };
    writeFileSync(path, JSON.stringify({ ...counts, testResults: files }));
    return path;
  });
  const { status, stdout } = spawnSync(process.execPath, ['.ci/totals.mjs', ...paths], { encoding: 'utf8' });
  return { code: status, lines: stdout.split('\n') };
}

it.each<[string, (Report | 'absent')[], number, string]>([
  [
    'all passed',
    [
      { passed: 400, failed: 0 },
      { passed: 20, failed: 0 },
    ],
    0,
    '420 passed, 0 failed',
  ],
  [
    'some failed',
    [
      { passed: 400, failed: 2 },
      { passed: 20, failed: 1 },
    ],
    1,
    '420 passed, 3 failed',
  ],
  ['a file that cannot be loaded', [{ passed: 400, failed: 0, broken: 1 }], 1, '400 passed, 1 failed'],
  ['a run without a report', [{ passed: 400, failed: 0 }, 'absent'], 1, '400 passed, 1 failed'],
  ['no test at all', [{ passed: 0, failed: 0 }], 1, '0 passed, 0 failed'],
])('sums reports: %s', (_name, reports, code, line) => {
  const { code: exitCode, lines } = totals(...reports);
  expect(exitCode).toBe(code);
  expect(lines.slice(-2)).toEqual([line, '']);
});

it('names what failed, and why, right above the totals', () => {
  expect(totals({ passed: 4, failed: 1, broken: 1 }).lines).toEqual([
    'FAILED b.test.ts: no such module',
    'FAILED a.test.ts: counts to three',
    'expected 2 to be 3',
    '4 passed, 2 failed',
    '',
  ]);
});
