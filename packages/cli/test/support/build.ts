/**
 * The command as users get it: the compiled packages and the bundle, made new when a source is newer. Both tools look for
 * themselves whether there is anything to do, which takes three seconds together when there is not.
 */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../../../..');

/** The launcher; run it with `process.execPath`. */
export const COMMAND = join(ROOT, 'packages/cli/bin/boi-node.js');

const run = promisify(execFile);
let built: Promise<void> | undefined;

/** Once per test file; a failure says what to run by hand. */
export function ensureBuilt(): Promise<void> {
  built ??= build();
  return built;
}

async function build(): Promise<void> {
  // Code with type errors is compiled all the same; to report them is the business of `make types`.
  await run(join(ROOT, 'node_modules/.bin/tsc'), ['-b'], { cwd: ROOT }).catch(() => undefined);
  try {
    await run('npm', ['run', '--silent', 'bundle', '-w', 'boi-node'], { cwd: ROOT });
    await access(join(ROOT, 'packages/node/dist/index.js'));
  } catch (cause) {
    throw new Error(`the command could not be built; see \`make build\`: ${(cause as Error).message}`, { cause });
  }
}
