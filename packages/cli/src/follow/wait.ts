/** Waits for specs with progress: for `spec wait` and `--wait`. */
import type { SpecView, TaskView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import { asFailure } from '../fail.ts';
import { sayDuration } from '../flag-values.ts';
import type { Session } from '../session.ts';
import { specFarewell, untilDetached } from './detach.ts';
import { Progress } from './progress.ts';
import { waitingReasons } from './waiting.ts';

/** 0 if all succeeded, 1 if not, 130 when detached. Throws `wrong-state` when `timeoutMs` has passed. */
export function waitForSpecs(
  session: Session,
  specs: readonly string[],
  options: { readonly timeoutMs?: number | undefined } = {},
): Promise<number> {
  return untilDetached(
    session,
    () => specFarewell(specs),
    async (interrupt) => {
      const { timeoutMs } = options;
      const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
      // One spec that cannot be followed ends the wait for all.
      const broken = new AbortController();
      const signal = AbortSignal.any([interrupt, broken.signal, ...(late === undefined ? [] : [late])]);
      const progress = new Progress(session, specs);
      try {
        const ends = await Promise.all(
          specs.map((spec) =>
            followToEnd(session, spec, progress, signal).catch((error: unknown) => {
              broken.abort(error);
              throw error;
            }),
          ),
        );
        return ends.every((view) => view.state === 'succeeded') ? 0 : 1;
      } catch (error) {
        if (late?.aborted && !interrupt.aborted) {
          throw new BoiError('wrong-state', `not ended after ${sayDuration(timeoutMs ?? 0)}; the work goes on`);
        }
        throw error;
      } finally {
        progress.end();
      }
    },
  );
}

async function followToEnd(session: Session, spec: string, progress: Progress, signal: AbortSignal): Promise<SpecView> {
  let seeded = false;
  const waiting = waitingReasons(session, spec, (line) => progress.line(line), signal);
  try {
    for await (const event of session.followSpec(spec, { tasks: true, signal })) {
      waiting.heard();
      if (event.type === 'task') progress.task(spec, event.task);
      else if (event.type === 'link') {
        progress.line(
          event.state === 'lost' ? `connection lost (${event.text}); trying again` : `connected to ${event.text}`,
        );
      } else {
        if (!seeded && event.type === 'spec') progress.seed(spec, await runningTasks(session, event.spec.id, signal));
        seeded = true;
        progress.spec(spec, event.spec);
        if (event.type === 'end') return event.spec;
      }
    }
  } finally {
    waiting.stop();
  }
  throw new BoiError('unavailable', `the events of ${spec} ended before it did`);
}

/** What runs already, for the display only: that it cannot be listed now is no reason to stop waiting. */
async function runningTasks(session: Session, spec: string, signal: AbortSignal): Promise<readonly TaskView[]> {
  const params = { prj: session.project, spc: spec };
  const query = { state: 'running', limit: 1000 } as const;
  try {
    return (await session.client.call('spec.tasks', { params, query, signal })).items;
  } catch (error) {
    signal.throwIfAborted();
    if (asFailure(error) === undefined) throw error;
    return [];
  }
}
