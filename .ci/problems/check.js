/**
 * At the end of `make test`: every code that a test saw is in the table of `packages/core/src/errors.ts`, and every code of the
 * table was seen by some test. `node .ci/problems/check.js FOLDER`, where `record.ts` left what it saw; `--partial` after a run
 * of some tests only, which cannot have seen all.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '@boi/core/errors';

const [folder, mode] = process.argv.slice(2);
const seen = new Set();
for (const file of readdirSync(folder)) {
  for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
    if (line !== '') seen.add(line.slice(line.indexOf(' ') + 1));
  }
}
const table = Object.keys(ERROR_CODES);
const foreign = [...seen].filter((code) => !table.includes(code)).sort();
const unseen = mode === '--partial' ? [] : table.filter((code) => !seen.has(code)).sort();
for (const code of foreign) console.error(`error code \`${code}\` was seen, and is not in packages/core/src/errors.ts`);
for (const code of unseen)
  console.error(`error code \`${code}\` is in packages/core/src/errors.ts, and no test has seen it`);
if (foreign.length + unseen.length > 0) process.exit(1);
console.log(`error codes: ${seen.size} of ${table.length} seen, all of the table`);
