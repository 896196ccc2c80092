/**
 * What the plugins make of the node's health. A plugin that failed is an ailment until it is ready again; only one that is
 * unstable closes the node, since it does not come back by itself.
 *
 * | state of the plugin | verdict |
 * |---|---|
 * | `ready` | well |
 * | `waiting`, `refused` | ails |
 * | `unstable` | ails, and closes the node |
 * | `starting` | what it was; well, at its first chance |
 * | `stopped` | what it was; none before its supervisor has read what an earlier life of the daemon knew of it |
 *
 * Nothing is told before there is a verdict on every plugin: else a node would be opened at each start of its daemon for the
 * moment until it is known that a plugin is unstable still.
 */
import type { Ailment } from '@boi/cluster';
import { PLUGIN_FAILURES, type PluginState, type PluginStatus } from '@boi/plugin-host';

const REASONS: Partial<Record<PluginState, string>> = {
  waiting: 'plugin-not-ready',
  refused: 'plugin-refused',
  unstable: 'plugin-unstable',
};

export class PluginHealth {
  /** By plugin; null: well. Absent: not known yet. */
  readonly #verdicts = new Map<string, Ailment | null>();
  readonly #names: readonly string[];
  readonly #behind = new Set<string>();
  #tell: ((ailments: readonly Ailment[]) => void) | undefined;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** Whom to tell, at once and at each change. */
  attach(tell: (ailments: readonly Ailment[]) => void): void {
    this.#tell = tell;
    this.#say();
  }

  /** What ails the node as far as is known. */
  get ailments(): readonly Ailment[] {
    const behind = [...this.#behind].map((plugin): Ailment => {
      const what = `plugin ${plugin} does not keep up: work that it audits waits`;
      return { about: `plugin ${plugin}`, reason: 'hooks-saturated', what, closes: false };
    });
    return [...[...this.#verdicts.values()].filter((verdict) => verdict !== null), ...behind];
  }

  /** Whether the node's work waits for a plugin of the audit tier. */
  behind(plugin: string, isBehind: boolean): void {
    if (isBehind) this.#behind.add(plugin);
    else this.#behind.delete(plugin);
    this.#say();
  }

  status({ plugin, state, error }: PluginStatus): void {
    const before = this.#verdicts.get(plugin);
    const reason = REASONS[state];
    if (state === 'ready' || (state === 'starting' && before === undefined)) this.#verdicts.set(plugin, null);
    else if (reason !== undefined) {
      const why = error === undefined ? '' : `: ${PLUGIN_FAILURES[error.reason]}`;
      const what = state === 'waiting' ? 'is being started again' : `is ${state}`;
      this.#verdicts.set(plugin, {
        about: `plugin ${plugin}`,
        reason,
        what: `plugin ${plugin} ${what}${why}`,
        closes: state === 'unstable',
      });
    }
    if (this.#verdicts.get(plugin) !== before) this.#say();
  }

  #say(): void {
    if (this.#names.every((name) => this.#verdicts.has(name))) this.#tell?.(this.ailments);
  }
}
