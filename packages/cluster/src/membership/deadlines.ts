/** When a session is over, as its own node counts it, and when exclusive tasks must be. Pure arithmetic on what was sent when. */

/** Between our deadline and the server's: a claim sent at the last moment must not arrive after the lease ended. */
const MARGIN_MS = 1_000;
/** Exclusive tasks are killed this long before the lease can end. */
const KILL_BEFORE_END_MS = 2_000;

export interface Lasting {
  readonly ttlMs: number;
  /** When the keep-alive that succeeded last was sent. */
  readonly sentMono: number;
  /** The session may be used before then, by both clocks. */
  readonly deadlineMono: number;
  readonly deadlineWall: number;
}

/** How long a session lasts of which a keep-alive was sent then. A short time to live leaves no room for the whole margin. */
export function lasting(sentMono: number, sentWall: number, ttlMs: number): Lasting {
  const lastsMs = ttlMs - Math.min(MARGIN_MS, ttlMs / 10);
  return { ttlMs, sentMono, deadlineMono: sentMono + lastsMs, deadlineWall: sentWall + lastsMs };
}

/** For exclusive tasks, from the sending of the keep-alive that succeeded last. */
export function runnerDeadline(sentMono: number, ttlMs: number): { termAtMs: number; killAtMs: number } {
  const termAtMs = sentMono + (2 * ttlMs) / 3;
  // With very short times to live the kill would come before the term.
  return { termAtMs, killAtMs: Math.max(termAtMs, sentMono + ttlMs - KILL_BEFORE_END_MS) };
}
