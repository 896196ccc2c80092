/**
 * The duty `identity`: what identity leaves behind is bounded. Audit lines go when they are older than 30 days, and the
 * oldest ones when there are more than 100,000; a join token's record goes a day after the token has expired, since from then
 * on its signature alone has it refused. Every ten minutes. Two holders at once do no harm: both delete what is to go.
 */
import { exists, type Op } from '@boi/store';
import { pages } from '../base/pages.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { DutyLoop } from '../membership/duty-loop.ts';
import { RetentionClock } from '../upkeep/retention-clock.ts';
import { firstIdAt } from './audit.ts';
import { identityCodecs } from './records.ts';

/** Clocks of admin nodes differ; an expired token is refused as expired, not as unknown, for so long. */
const TOKEN_KEEP_MS = 24 * 3600_000;
/** Deletions in one transaction, below etcd's 128 operations. */
const DELETIONS_MAX = 100;

export class IdentityUpkeep {
  readonly #deps: NodeDeps;
  readonly #loop: DutyLoop;
  readonly #retention: RetentionClock;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#retention = new RetentionClock(deps);
    this.#loop = new DutyLoop(deps, {
      duty: 'identity',
      everyMs: deps.ctx.config.identityUpkeepMs,
      turn: async () => {
        await this.#pruneAudit();
        await this.#pruneTokens();
      },
      failed: 'old audit lines and tokens could not be removed; the next turn will',
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #pruneAudit(): Promise<void> {
    const { store, keys, config } = this.#deps.ctx;
    const range = keys.audits();
    const retainedNow = await this.#retention.now(this.#loop.signal);
    let count = 0;
    for await (const { kvs } of pages(store, range, { keysOnly: true })) count += kvs.length;
    let excess = count - config.auditLinesMax;
    const tooOld = keys.audit(firstIdAt(retainedNow - config.auditKeepMs));
    for await (const { kvs } of pages(store, range, { keysOnly: true })) {
      const gone = kvs.filter(({ key }, i) => key < tooOld || i < excess);
      const last = gone.at(-1);
      if (last === undefined) return;
      // One page at a time: everything in one revision would be one event of a hundred thousand keys.
      await this.#delete([{ op: 'delete', key: range.start, end: `${last.key} ` }]);
      excess -= gone.length;
      if (gone.length < kvs.length) return;
    }
  }

  async #pruneTokens(): Promise<void> {
    const { store, keys, clock } = this.#deps.ctx;
    const gone: Op[] = [];
    for await (const { kvs } of pages(store, keys.tokens())) {
      for (const { key, value } of kvs) {
        if (identityCodecs.token.decode(key, value).expiresAt + TOKEN_KEEP_MS < clock.now())
          gone.push({ op: 'delete', key });
      }
    }
    while (gone.length > 0) await this.#delete(gone.splice(0, DELETIONS_MAX));
  }

  async #delete(success: readonly Op[]): Promise<void> {
    const { ctx } = this.#deps;
    // The cluster's record is gone when the whole prefix was cleared under us.
    await settleTxn(ctx, this.#loop.signal, { compares: [exists(ctx.keys.cluster())], success });
  }
}
