#!/usr/bin/env node
/** `boi-workspace-git --root DIR [--allow PREFIX…] [--keep-days N]`: a git worktree for each task, from a cached mirror. Needs git on PATH. */
import { parseArgs } from 'node:util';
import { serveWorkspace } from '@boi/plugin-sdk';
import { Worktrees } from './worktrees.ts';

const DAY_MS = 86_400_000;
const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    allow: { type: 'string', multiple: true },
    'keep-days': { type: 'string', default: '7' },
  },
});
const keepDays = Number(values['keep-days']);
if (!(keepDays > 0)) {
  process.stderr.write('workspace-git: --keep-days takes a number of days above 0\n');
  process.exit(2);
}
if (values.root === undefined) {
  process.stderr.write('workspace-git: name the directory of mirrors and worktrees with --root DIR\n');
  process.exit(2);
}

const worktrees = new Worktrees(values.root, values.allow ?? [], keepDays * DAY_MS);
serveWorkspace({
  name: 'workspace-git',
  version: '0.1.0',
  capabilities: ['push', 'keep'],
  prepare: (request) => worktrees.prepare(request),
  cleanup: (request) => worktrees.cleanup(request),
  list: () => worktrees.list(),
});
