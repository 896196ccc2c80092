/** `npm run soak`: bundles the soak, whose sources are TypeScript, beside the built command and runs it with the given arguments. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';

const outfile = join(import.meta.dirname, '../../dist/soak/main.js');
await build({
  entryPoints: [join(import.meta.dirname, 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  packages: 'external',
  logLevel: 'warning',
});
const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], { stdio: 'inherit' });
// A terminal sends Ctrl-C to both; the soak ends by itself then.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
