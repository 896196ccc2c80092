/** Makes a runnable program of a TypeScript module, as the build does, so that tests start real plugins without a build. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

/** The path of the program; run it with `process.execPath`. */
export async function bundleProgram(entry: string): Promise<string> {
  const outfile = join(await mkdtemp(join(tmpdir(), 'boi-program-')), 'program.cjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['@boi/source'],
    // Also for a program that lies outside of the repository.
    nodePaths: [join(import.meta.dirname, '../../../../node_modules')],
    logLevel: 'error',
  });
  return outfile;
}
