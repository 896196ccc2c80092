/**
 * The command as users get it: the compiled packages and the bundle, made new when a source is newer. Both tools look for
 * themselves whether there is anything to do, which takes three seconds together when there is not.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../../../..');

/** The launcher; run it with `process.execPath`. */
export const COMMAND = join(ROOT, 'packages/cli/bin/boi-node.js');

let built: Promise<void> | undefined;

/** Once per test file; a failure says what to run by hand. */
export function ensureBuilt(): Promise<void> {
  built ??= promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT }).then(
    () => undefined,
    (error: Error & { stdout?: string }) => {
      throw new Error(`the command could not be built; see \`make build\`\n${error.message}\n${error.stdout ?? ''}`);
    },
  );
  return built;
}
