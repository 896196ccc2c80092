/**
 * `node e2e/twins/run.js [NAME…]`: makes an image for each twin and runs its test on it; exits 1 if a test passes. The images
 * of docker/build.sh must be there and an engine must answer: `make e2e-twins` sees to both.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TWINS } from './twins.js';

const suite = join(dirname(fileURLToPath(import.meta.url)), '..');
const wanted = process.argv.slice(2);
let unnoticed = 0;
const say = (line) => process.stdout.write(`${line}\n`);

/** Runs in the image while it is built: replaces what must be there once. */
const patch = ({ edits }) => `
  const { readFileSync, writeFileSync } = require("fs");
  for (const { file, find, put } of ${JSON.stringify(edits)}) {
    const parts = readFileSync(file, "utf8").split(find);
    if (parts.length !== 2) throw new Error(file + " has it " + (parts.length - 1) + " times: " + find);
    writeFileSync(file, parts.join(put));
  }
`;

for (const twin of TWINS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const tag = `boi-e2e-twin-${twin.name}`;
  const script = Buffer.from(patch(twin)).toString('base64');
  const dockerfile = [
    'FROM boi-node',
    'USER root',
    `RUN node -e "eval(Buffer.from('${script}', 'base64').toString())"`,
    'USER boi',
  ].join('\n');
  execFileSync('docker', ['build', '--quiet', '--label', 'boi.e2e=image', '--tag', tag, '-'], {
    input: `${dockerfile}\n`,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const vitest = join(suite, '../node_modules/.bin/vitest');
  const { status, stdout, stderr } = spawnSync(vitest, ['run', '--config', 'vitest.config.ts', ...twin.test], {
    cwd: suite,
    env: { ...process.env, BOI_E2E_IMAGE: tag, NO_COLOR: '1' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  execFileSync('docker', ['image', 'rm', '--force', tag], { stdio: 'ignore' });
  // Its test must have failed by itself: a cluster that did not start has shown nothing.
  const failed = status !== 0 && /^\s+Tests\s.*\b1 failed\b/m.test(stdout);
  if (!failed) unnoticed += 1;
  say(`${failed ? 'noticed   ' : 'UNNOTICED '} ${twin.name}: ${twin.switchedOff}`);
  const why = stderr.split('\n').find((line) => /^\s*(AssertionError|Error):/.test(line));
  if (why !== undefined) say(`           ${why.trim()}`);
}
process.exitCode = unnoticed === 0 ? 0 : 1;
