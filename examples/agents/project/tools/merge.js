#!/usr/bin/env node
/**
 * Merges the branches of all jobs that passed into the current commit, in the order of the jobs. A branch that conflicts, or
 * after whose merge the tests fail, is left out. Ends well if anything was merged; prints what became of each job.
 *
 * `BOI_NEEDS` names a file that tells how each task ended and which branch it pushed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';

const needs = JSON.parse(readFileSync(process.env.BOI_NEEDS, 'utf8'));
const git = (...args) => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const succeeds = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

function merge(branch) {
  git('fetch', '--quiet', process.env.BOI_GIT_SOURCE, branch);
  if (!succeeds('git', 'merge', '--quiet', '--no-ff', '-m', `Merge ${branch}`, 'FETCH_HEAD')) {
    const files = git('diff', '--name-only', '--diff-filter=U').split('\n').join(', ');
    git('merge', '--abort');
    return `left out: conflict in ${files}`;
  }
  if (succeeds('node', '--test')) return 'merged';
  git('reset', '--quiet', '--hard', 'HEAD^1');
  return 'left out: the tests fail together with what was merged before';
}

let merged = 0;
const jobs = Object.entries(needs);
for (const [ref, { outcome, outputs }] of jobs) {
  const said = outcome === 'succeeded' ? merge(outputs.BOI_PUSHED_BRANCH) : `left out: ${outcome}`;
  if (said === 'merged') merged++;
  console.log(`${ref.padEnd(24)} ${said}`);
}
console.log(`merged ${merged} of ${jobs.length}`);
appendFileSync(process.env.BOI_OUTPUT, `MERGED=${merged}\nLEFT_OUT=${jobs.length - merged}\n`);
process.exitCode = merged > 0 ? 0 : 1;
