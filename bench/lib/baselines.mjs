/** What a real process per task costs without any cluster: `xargs`, Node's own `spawn`, GNU parallel. */
import { execFileSync, spawn } from 'node:child_process';
import { rate } from './figures.mjs';

const PROGRAM = '/bin/true';
/** Processes at once: what the machine of two cores runs best. */
const AT_ONCE = 2;

export async function measureBaselines(tasks) {
  const rows = [
    await shell('xargs', `seq ${tasks} | xargs -n1 -P${AT_ONCE} ${PROGRAM}`, 'xargs --version', tasks),
    await ownSpawn(tasks),
  ];
  if (found('parallel'))
    rows.push(
      await shell(
        'GNU parallel',
        `seq ${tasks} | parallel --will-cite -j${AT_ONCE} ${PROGRAM}`,
        'parallel --version',
        tasks,
      ),
    );
  return rows;
}

async function shell(name, command, versionCommand, tasks) {
  const started = performance.now();
  await new Promise((resolve, reject) =>
    spawn('/bin/sh', ['-c', command], { stdio: 'ignore' }).once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command}: exit code ${code}`)),
    ),
  );
  const elapsedMs = performance.now() - started;
  const version = execFileSync('/bin/sh', ['-c', versionCommand], { encoding: 'utf8' }).match(/\d+(\.\d+)*/)?.[0];
  return { name, version, command, ...rate(tasks, elapsedMs) };
}

async function ownSpawn(tasks) {
  const started = performance.now();
  let left = tasks;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await new Promise((resolve) => spawn(PROGRAM, { stdio: 'ignore' }).once('exit', resolve));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const elapsedMs = performance.now() - started;
  const command = `child_process.spawn('${PROGRAM}'), ${AT_ONCE} at once`;
  const version = process.version;
  return { name: 'Node spawn', version, command, ...rate(tasks, elapsedMs) };
}

function found(program) {
  try {
    execFileSync('/bin/sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
