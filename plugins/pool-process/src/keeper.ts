/**
 * The keeper of one run: a process of its own that starts the task, writes its output and its end, and outlives the plugin. It
 * leads one group, the task another, so that a signal for the task does not end the one who is to tell of it.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeFrame } from './frames.ts';
import type { Ended, RunFile } from './runs.ts';

/** What a chunk of a pipe can be cut into, so that a reader gets whole frames. */
const FRAME_BYTES_MAX = 65_536;

export function runTask(folder: string): void {
  const { argv, env, workdir } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as RunFile;
  if (!isFirst(folder)) return;
  const startedAtMs = Date.now();
  let outputBytes = 0;
  const end = (how: Ended['how'], value: string | number) => {
    const ended: Ended = { how, value, endOffset: outputBytes, startedAtMs, endedAtMs: Date.now() };
    writeFileSync(join(folder, 'end.json.new'), JSON.stringify(ended));
    renameSync(join(folder, 'end.json.new'), join(folder, 'end.json'));
    process.exit(0);
  };
  const write = (stream: 1 | 2) => (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += FRAME_BYTES_MAX) {
      const part = chunk.subarray(at, at + FRAME_BYTES_MAX);
      // Synchronously: a task that writes faster than the disk waits on its pipe, and memory stays flat.
      appendFileSync(join(folder, 'output'), encodeFrame(stream, part));
      outputBytes += part.length;
    }
  };
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: workdir === '' ? folder : workdir,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.once('error', (error) => end('startFailure', error.message));
  child.once('spawn', () => writeFileSync(join(folder, 'task.pid'), String(child.pid)));
  child.stdout.on('data', write(1));
  child.stderr.on('data', write(2));
  child.once('close', (code, signal) => (signal === null ? end('exitCode', code ?? 0) : end('signal', signal)));
}

/** Whether this keeper has the run: of two that a crash of the plugin in the middle of a spawn can bring about, one does. */
function isFirst(folder: string): boolean {
  const mine = join(folder, `keeper.pid.${process.pid}`);
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, join(folder, 'keeper.pid'));
    return true;
  } catch {
    return false;
  } finally {
    unlinkSync(mine);
  }
}
