#!/usr/bin/env node
// Sums vitest's JSON reports: `node .ci/totals.mjs <report>…` prints each failure, then `N passed, N failed`, and fails when anything did.
import { readFileSync } from 'node:fs';

/** A report that is not there, and a file that failed before its first test, count as one failure each. */
function totalsOf(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.error(`${path}: no report (${error.message})`);
    return { passed: 0, failed: 1 };
  }
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  for (const { name, message } of broken) console.log(`FAILED ${name}: ${message}`);
  for (const { name, assertionResults } of report.testResults) {
    for (const test of assertionResults.filter(({ status }) => status === 'failed')) {
      console.log(`FAILED ${name}: ${test.fullName}\n${test.failureMessages.join('\n')}`);
    }
  }
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

const totals = process.argv.slice(2).map(totalsOf);
const sum = (name) => totals.reduce((total, one) => total + one[name], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
if (sum('failed') > 0 || sum('passed') === 0) process.exitCode = 1;
