/** What happens to plugins, said where it belongs: their own logs, the daemon's log, metrics, the event catalogue, the health. */
import type { PluginObserver, PluginStatus } from '@boi/plugin-host';
import type { PluginHealth } from './health.ts';
import type { PluginHouseDeps } from './house.ts';
import type { PluginLog } from './plugin-log.ts';

export interface PluginObserverDeps extends Pick<PluginHouseDeps, 'log' | 'metrics' | 'mask' | 'tell'> {
  readonly health: PluginHealth;
  readonly logs: ReadonlyMap<string, PluginLog>;
}

export function observePlugins({ log, metrics, mask, tell, health, logs }: PluginObserverDeps): PluginObserver {
  return {
    status(status: PluginStatus) {
      const { plugin, state, pid, error } = status;
      metrics.gauge('boi_core_plugin_ready', state === 'ready' ? 1 : 0, { plugin });
      metrics.gauge('boi_core_plugin_unstable', state === 'unstable' ? 1 : 0, { plugin });
      const text = `plugin ${plugin} is ${state}`;
      if (error === undefined) log.info({ plugin, state, pid }, text);
      else log.warn({ plugin, state, err: error }, text);
      logs
        .get(plugin)
        ?.write('boi', error === undefined ? `is ${state}` : `is ${state}: ${mask(plugin, error.message)}`);
      health.status(status);
    },
    line(plugin, stream, written) {
      const text = mask(plugin, written);
      log.info({ plugin, stream }, text);
      logs.get(plugin)?.write(stream, text);
    },
    crashed(plugin, crashes, unstable, exitCode) {
      if (!unstable) metrics.count('boi_core_plugin_restarts_total', 1, { plugin });
      tell({ kind: 'plugin.crashed', plugin, crashes, ...(exitCode === undefined ? {} : { exitCode }) });
      if (unstable) tell({ kind: 'plugin.unstable', plugin, crashes });
    },
    problem(plugin, message, error) {
      log.warn({ plugin, ...(error === undefined ? {} : { err: error }) }, `plugin ${plugin}: ${message}`);
      // Who writes the plugin reads its log and not the daemon's.
      const why =
        error === undefined ? '' : `: ${mask(plugin, error instanceof Error ? error.message : String(error))}`;
      logs.get(plugin)?.write('boi', `${message}${why}`);
    },
  };
}
