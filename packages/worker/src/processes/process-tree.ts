/**
 * Everything that runs for one command of a task, and how it is ended: TERM to all, grace, KILL to all, until nothing of
 * it lives. The main process is signalled through its group at once; what left the group is found by a scan and
 * signalled one by one.
 *
 * States: running → (main has exited) → settling → gone. `stop` may come in any of them; a second one, or `force`, goes
 * straight to KILL. Descendants that outlive the main process belong to the task: they get the same TERM, grace, KILL.
 */
import { type Clock, sleep, type Timer } from '@boi/core';
import { signalProcess, type TreeRoot } from './process-scan.ts';
import type { ProcessTable } from './process-table.ts';

/** Between looks at descendants that were told to end: short at first, since most end at once. */
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 200;

export interface ProcessTreeDeps {
  readonly clock: Clock;
  readonly table: ProcessTable;
  /** For descendants that outlive the main process. */
  readonly graceMs: number;
  /** Told once when KILL is sent, and when the wait for what was killed becomes long. */
  readonly onKill?: () => void;
}

export class ProcessTree {
  readonly #root: TreeRoot;
  readonly #deps: ProcessTreeDeps;
  #mainExited = false;
  #signal: 'SIGTERM' | 'SIGKILL' | undefined;
  #graceTimer: Timer | undefined;
  readonly #killed: Promise<void>;
  #onKilled: () => void = () => undefined;

  constructor(root: TreeRoot, deps: ProcessTreeDeps) {
    this.#root = root;
    this.#deps = deps;
    this.#killed = new Promise((resolve) => {
      this.#onKilled = resolve;
    });
  }

  /** TERM now and KILL after `graceMs`; 0 kills at once. A later call can only shorten the wait. */
  stop(graceMs: number): void {
    if (graceMs <= 0) {
      this.#kill();
      return;
    }
    if (this.#signal === 'SIGKILL') return;
    if (this.#signal === undefined) this.#send('SIGTERM');
    this.#graceTimer?.cancel();
    this.#graceTimer = this.#deps.clock.timer(graceMs, () => this.#kill());
  }

  #kill(): void {
    if (this.#signal === 'SIGKILL') return;
    this.#graceTimer?.cancel();
    this.#send('SIGKILL');
    this.#onKilled();
    this.#deps.onKill?.();
  }

  #send(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#signal = signal;
    // Until its exit has been collected the number of the main process, and of its group, cannot be reused.
    if (!this.#mainExited) {
      try {
        process.kill(-this.#root.pid, signal);
      } catch {
        // Exited, not collected yet, and its group is empty.
      }
    }
    void this.#signalMembers(signal);
  }

  async #signalMembers(signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
    const members = (await this.#deps.table.snapshot()).membersOf(this.#root);
    for (const member of members) {
      if (member.pid === this.#root.pid && this.#mainExited) continue;
      signalProcess(member, signal);
    }
    return members.length;
  }

  /** To be called when the exit of the main process was collected. Resolves when nothing of the tree lives. */
  async settle(): Promise<void> {
    this.#mainExited = true;
    let lookMs = LOOK_MS_MIN;
    for (;;) {
      const snapshot = await this.#deps.table.snapshot();
      const members = snapshot.membersOf(this.#root);
      if (members.length === 0 && !snapshot.uncertain) break;
      if (members.length > 0) {
        if (this.#signal === undefined) this.stop(this.#deps.graceMs);
        // What was forked after the signal went round has not had it.
        else if (this.#signal === 'SIGKILL') for (const member of members) signalProcess(member, 'SIGKILL');
      }
      await this.#pause(lookMs);
      lookMs = members.length === 0 ? LOOK_MS_MIN : Math.min(LOOK_MS_MAX, lookMs * 2);
    }
    this.#graceTimer?.cancel();
  }

  /** Cut short by a KILL, whose effect is to be seen at once. */
  #pause(ms: number): Promise<void> {
    const pause = sleep(this.#deps.clock, ms);
    return this.#signal === 'SIGKILL' ? pause : Promise.race([pause, this.#killed]);
  }
}
