/** Tasks of another user than the daemon's: what they are, what they cannot reach, and that nothing of them is left. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isProcessAlive, processStartTicks } from '@boi/system';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProcessRunner } from '../process-runner.ts';
import { type AssignmentChange, assignment, type Bench, bench } from '../testing/runner-fixture.ts';
import { enteringItself, findTaskUser, makeWorkRoot, type TaskUser } from './task-user.ts';

const isRoot = process.getuid?.() === 0;

test.runIf(!isRoot)('a daemon that is not root cannot run tasks as somebody else, and says so', async () => {
  await expect(findTaskUser('nobody')).rejects.toMatchObject({ code: 'config-invalid', message: /runs as root/ });
});

describe.runIf(isRoot)('with a daemon that is root', () => {
  let workbench: Bench;
  let runner: ProcessRunner;
  let user: TaskUser;
  let workDir: string;

  beforeAll(async () => {
    workbench = await bench();
    await chmod(workbench.base, 0o711);
    user = await findTaskUser('nobody');
    workDir = join(workbench.base, 'work-of-nobody');
    const env = { PATH: process.env.PATH, HOME: '/root', LC_ALL: 'C' };
    runner = workbench.runner('data', { env, user, workDir });
    await runner.open();
  });
  afterAll(() => workbench.close());

  const run = (command: string, change: AssignmentChange = {}) => runner.start(assignment(command, change)).done;

  test('a task is that user, in no group but its own, at home where that user is', async () => {
    const { outcome, tail } = await run('id -u; id -G; echo "$HOME $USER"; stat -c %u .');
    expect([outcome, tail.trim().split('\n')]).toEqual([
      'succeeded',
      [String(user.uid), String(user.gid), `${user.home} ${user.name}`, String(user.uid)],
    ]);
  });

  test('it writes files and outputs, and nothing of it is left', async () => {
    const made = 'mkdir -p a/b; chmod 0 a/b; echo x > f; chmod 700 a/b; echo "K=v" >> "$BOI_OUTPUT"';
    expect(await run(made, { definition: { outputs: ['K'] } })).toMatchObject({
      outcome: 'succeeded',
      outputs: { K: 'v' },
    });
    expect(await readdir(workDir)).toEqual([]);
  });

  test('it cannot enter the data directory, list the other tasks or write beside its own', async () => {
    const data = join(workbench.base, 'data');
    const denied = `! ls ${data} && ! ls ${workDir} && ! touch ${workDir}/mine && ! touch "$(dirname "$BOI_OUTPUT")/../mine"`;
    expect(await run(denied)).toMatchObject({ outcome: 'succeeded' });
    expect(await run('cat logs', { definition: { workdir: data } })).toMatchObject({ outcome: 'failed' });
  });

  test('it runs in a directory that its spec names, and in none that its user could not enter by itself', async () => {
    const open = join(workbench.base, 'open-to-all');
    await mkdir(open, { mode: 0o755 });
    const there = await run('pwd', { definition: { workdir: open } });
    expect([there.outcome, there.tail.trim()]).toEqual(['succeeded', open]);
    // Below a directory of root alone, but itself open: whoever is put there could read what is in it.
    const inner = join(workbench.base, 'of-root', 'inner');
    await mkdir(inner, { recursive: true });
    await chmod(join(workbench.base, 'of-root'), 0o700);
    await chmod(inner, 0o755);
    await writeFile(join(inner, 'file'), 'hidden', { mode: 0o644 });
    expect(await run('cat file', { definition: { workdir: inner } })).toMatchObject({
      outcome: 'failed',
      reason: 'workspace-failed',
      message: expect.stringContaining('is not a directory that nobody can enter'),
    });
  });

  test('a directory that was changed for another after it was looked at is entered as the user, too', async () => {
    const { argv, cwd } = enteringItself(join(workbench.base, 'of-root', 'inner'), ['cat', 'file']);
    const [program, ...args] = argv;
    const { uid, gid } = user;
    await expect(promisify(execFile)(program as string, args, { cwd, uid, gid })).rejects.toMatchObject({ code: 126 });
  });

  test('outputs that lead to a file of root are not read', async () => {
    const secret = join(workbench.base, 'secret');
    await writeFile(secret, 'STOLEN=yes\n', { mode: 0o600 });
    const { outputs, outcome } = await run(`ln -s ${secret} "$BOI_OUTPUT"`);
    expect([outcome, outputs]).toEqual(['failed', undefined]);
    const hard = await run(`ln ${secret} "$BOI_OUTPUT" || true`);
    expect(hard.outputs).toBeUndefined();
  });

  test('a link among what it leaves does not lead its removal out of its directory', async () => {
    const kept = join(workbench.base, 'kept');
    await mkdir(kept);
    await writeFile(join(kept, 'file'), 'x');
    await chmod(kept, 0o777);
    expect(await run(`ln -s ${kept} link; mkdir d; ln -s ${kept} d/link`)).toMatchObject({ outcome: 'succeeded' });
    expect(await readdir(kept)).toEqual(['file']);
    expect(await readdir(workDir)).toEqual([]);
  });

  test('it is ended with its descendants like any other', async () => {
    const given = assignment('sleep 1000 & echo $! > pid; cat pid; wait');
    const running = runner.start(given);
    let pid = 0;
    for await (const { bytes } of runner.logs.follow({ ...given, offset: 0, signal: AbortSignal.timeout(20_000) })) {
      pid = Number(bytes.toString());
      if (pid > 0) break;
    }
    running.cancel({ graceMs: 0 });
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
    expect(isProcessAlive({ pid, startTicks: processStartTicks(pid) ?? -1 })).toBe(false);
  });

  test('root, a user that is not there, and a place that others can change or that the user cannot enter are refused', async () => {
    const refused = (message: RegExp) => ({ code: 'config-invalid', message });
    await expect(findTaskUser('root')).rejects.toMatchObject(refused(/is root/));
    await expect(findTaskUser('no-such-user-here')).rejects.toMatchObject(refused(/no such user/));
    await expect(findTaskUser('--help')).rejects.toMatchObject(refused(/not the name of a user/));
    const open = join(workbench.base, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    await expect(makeWorkRoot(open, user)).rejects.toMatchObject(refused(/changed by others/));
    const elsewhere = join(workbench.base, 'elsewhere');
    await symlink(open, elsewhere);
    await expect(makeWorkRoot(elsewhere, user)).rejects.toMatchObject(refused(/changed by others/));
    const closed = join(workbench.base, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await expect(makeWorkRoot(join(closed, 'work'), user)).rejects.toMatchObject(refused(/cannot enter/));
    expect((await stat(workDir)).mode & 0o777).toBe(0o711);
  });
});
