// Usage: node .ci/failures.js REPORT.json
// The failed tests of a run of vitest, each with its file and the first lines of what went wrong. Called by .ci/run.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const MESSAGE_LINES_MAX = 12;

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const head = (text) =>
  String(text)
    .split('\n')
    .slice(0, MESSAGE_LINES_MAX)
    .map((line) => `    ${line}`)
    .join('\n');

for (const file of report.testResults) {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (file.status !== 'failed' && failed.length === 0) continue;
  console.log(relative(process.cwd(), file.name));
  // A file that failed without a failed test could not be loaded, or its hooks failed.
  if (failed.length === 0 && file.message) console.log(head(file.message));
  for (const test of failed) {
    console.log(`  ${test.fullName}`);
    for (const message of test.failureMessages) console.log(head(message));
  }
}
