/**
 * The guard: a small process beside the daemon, in a session of its own. It knows the process trees of running tasks and
 * the deadline of the session, and acts when the daemon cannot:
 *  - its input closes (the daemon was killed): KILL to every tree at once, then exit;
 *  - a deadline passes (the daemon is stopped or hangs): TERM, then KILL to the trees of exclusive tasks.
 * It holds nothing else and imports next to nothing, so that it stays small. Arguments: the daemon's work directory, in
 * which `BOI_OUTPUT` of each of its tasks lies; thus also a task is found that the daemon had no time to tell of. And the directory
 * of what a pool runs for it: that is left alone, since the daemon's next life takes it up.
 */
import { keptKeys } from '../pooled/kept-keys.ts';
import { ProcessScanner, signalProcess, type TreeRoot, treeKey } from '../processes/process-scan.ts';
import { type GuardDeadline, type GuardMessage, isPast, monotonicMs } from './guard-protocol.ts';

/** How late TERM or KILL may be; also how soon after a thaw of the host they come. Runs only while an exclusive task does. */
const TICK_MS = 200;
const KILL_EVERY_MS = 20;
/** Against what cannot be killed (a process in an uninterruptible wait). */
const KILL_ROUNDS_MAX = 500;

const workPrefix = `${process.argv[2] ?? ''}/`;
const keptDir = process.argv[3];
const scanner = new ProcessScanner();
const trees = new Map<string, { root: TreeRoot; exclusive: boolean; sent: 'SIGTERM' | 'SIGKILL' | undefined }>();
let deadline: GuardDeadline | undefined;
let ticking: NodeJS.Timeout | undefined;
let text = '';

// Ctrl-C and a stopping service manager reach the whole group or unit; the guard must outlive the daemon's own drain.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (text + chunk).split('\n');
  text = lines.pop() ?? '';
  for (const line of lines) receive(JSON.parse(line) as GuardMessage);
});
process.stdin.on('error', () => daemonDied());
process.stdin.on('end', () => daemonDied());

function receive(message: GuardMessage): void {
  if (message.type === 'quit') process.exit(0);
  if (message.type === 'deadline') deadline = message.deadline;
  else {
    const key = treeKey(message.root.task, message.root.fence);
    if (message.type === 'ended') trees.delete(key);
    else trees.set(key, { root: message.root, exclusive: message.exclusive, sent: undefined });
  }
  schedule();
}

function schedule(): void {
  const needed = deadline !== undefined && [...trees.values()].some((tree) => tree.exclusive);
  if (needed) ticking ??= setInterval(tick, TICK_MS);
  else if (ticking !== undefined) {
    clearInterval(ticking);
    ticking = undefined;
  }
}

function tick(): void {
  if (deadline === undefined) return;
  const signal = isPast(deadline.kill) ? 'SIGKILL' : isPast(deadline.term) ? 'SIGTERM' : undefined;
  if (signal === undefined) return;
  const snapshot = scanner.scan(monotonicMs());
  for (const tree of trees.values()) {
    // KILL goes out again and again: something may have been forked meanwhile.
    if (!tree.exclusive || (signal === 'SIGTERM' && tree.sent !== undefined)) continue;
    tree.sent = signal;
    for (const member of snapshot.membersOf(tree.root)) signalProcess(member, signal);
  }
}

/** A new daemon may start tasks while this runs; their fences are new, so only what is known at this moment is killed. */
function daemonDied(): void {
  if (ticking !== undefined) clearInterval(ticking);
  const kept = keptDir === undefined ? undefined : keptKeys(keptDir);
  const roots = [
    ...[...trees.values()].map((tree) => tree.root),
    ...scanner
      .scan(monotonicMs())
      .rootsUnder(workPrefix)
      .filter(({ task, fence }) => kept?.has(treeKey(task, fence)) !== true),
  ];
  let rounds = 0;
  const round = () => {
    const snapshot = scanner.scan(monotonicMs());
    const members = roots.flatMap((root) => snapshot.membersOf(root));
    for (const member of members) signalProcess(member, 'SIGKILL');
    if ((members.length === 0 && !snapshot.uncertain) || ++rounds >= KILL_ROUNDS_MAX) process.exit(0);
    setTimeout(round, KILL_EVERY_MS);
  };
  round();
}
