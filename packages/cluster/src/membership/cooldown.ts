/**
 * A node on which claimed tasks cannot even be started takes itself out of placement for a while: after `cooldownAfter` such
 * failures in a row it writes `coolingUntil` into its own settings. An operator clears it with `node uncordon`. One task that
 * starts sets the count back.
 */
import type { TaskReport } from '@boi/core';
import { ABSENT, type Txn, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { appliedOrNot } from '../events/events.ts';
import { codecs, type NodeConfRecord, SCHEMA_VERSION } from '../records.ts';

export class Cooldown {
  readonly #deps: NodeDeps;
  #failures = 0;
  #writing: Promise<void> | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  /** A held task ended here. */
  ended(report: TaskReport): void {
    if (report.outcome === 'cancelled' && report.startedAt === undefined) return;
    if (!failedToStart(report)) {
      this.#failures = 0;
      return;
    }
    this.#failures++;
    this.#deps.ctx.metrics.gauge('boi_core_consecutive_start_failures', this.#failures);
    if (this.#failures < this.#deps.ctx.config.cooldownAfter || this.#writing !== undefined) return;
    this.#failures = 0;
    this.#writing = this.#cool()
      .catch((error: unknown) => {
        // The next failures in a row will try again.
        this.#deps.ctx.log.warn({ err: error }, 'the cooldown could not be written');
      })
      .finally(() => {
        this.#writing = undefined;
      });
  }

  async stop(): Promise<void> {
    await this.#writing;
  }

  async #cool(): Promise<void> {
    const { ctx, self, session } = this.#deps;
    const key = ctx.keys.nodeconf(self);
    const coolingUntil = ctx.clock.now() + ctx.config.cooldownMs;
    for (;;) {
      const { kv } = await ctx.store.get(key);
      const conf = kv === undefined ? undefined : codecs.nodeconf.decode(key, kv.value);
      if ((conf?.coolingUntil ?? 0) >= coolingUntil) return;
      const next: NodeConfRecord = { ...(conf ?? { v: SCHEMA_VERSION }), coolingUntil };
      const txn: Txn = {
        compares: [unchanged(key, kv?.modRevision ?? ABSENT)],
        success: [{ op: 'put', key, value: codecs.nodeconf.encode(next) }],
      };
      const trace = { source: key, base: kv?.modRevision ?? ABSENT, until: String(coolingUntil) };
      const signal = session.signal();
      const answer = await ctx.events.bringing(
        {
          kinds: ['node.degraded'],
          events: () => [{ event: { kind: 'node.degraded', node: self, reason: 'start-failures' }, trace }],
          options: { signal, urgent: true },
        },
        () => settleTxn(ctx, signal, txn),
        appliedOrNot,
      );
      if (answer.outcome === 'refused') continue;
      ctx.log.error({ coolingUntil }, 'tasks cannot be started here; the node takes no more for a while');
      ctx.metrics.count('boi_core_cooldowns_total');
      return;
    }
  }
}

/** No process was ever started, and the node is to blame. */
function failedToStart({ outcome, reason, startedAt }: TaskReport): boolean {
  return (
    outcome === 'failed' && startedAt === undefined && (reason === 'start-failed' || reason === 'workspace-failed')
  );
}
