// Usage: node .ci/failures.js REPORT.json
// The failed tests of a run of vitest, each with its file and the first and last lines of what went wrong: a message may hold a whole
// log, of which the end tells most. Called by .ci/run.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const FIRST_LINES = 10;
const LAST_LINES = 12;

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const excerpt = (text) => {
  const lines = String(text).split('\n');
  const left = lines.length - FIRST_LINES - LAST_LINES;
  if (left > 0) lines.splice(FIRST_LINES, left, `… ${left} lines`);
  return lines.map((line) => `    ${line}`).join('\n');
};

for (const file of report.testResults) {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (file.status !== 'failed' && failed.length === 0) continue;
  console.log(relative(process.cwd(), file.name));
  // A file that failed without a failed test could not be loaded, or its hooks failed.
  if (failed.length === 0 && file.message) console.log(excerpt(file.message));
  for (const test of failed) {
    console.log(`  ${test.fullName}`);
    for (const message of test.failureMessages) console.log(excerpt(message));
  }
}
