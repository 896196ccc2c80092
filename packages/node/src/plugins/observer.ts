/** What happens to plugins, said where it belongs: the daemon's log, the metrics, the event catalogue. */
import type { ClusterEvent, MetricSink } from '@boi/cluster';
import type { PluginObserver, PluginStatus } from '@boi/plugin-host';
import type { Logger } from '@boi/system';

export interface PluginObserverDeps {
  readonly log: Logger;
  readonly metrics: MetricSink;
  readonly emit: (event: ClusterEvent) => void;
}

export function observePlugins({ log, metrics, emit }: PluginObserverDeps): PluginObserver {
  return {
    status({ plugin, state, pid, error }: PluginStatus) {
      metrics.gauge('boi_core_plugin_ready', state === 'ready' ? 1 : 0, { plugin });
      metrics.gauge('boi_core_plugin_unstable', state === 'unstable' ? 1 : 0, { plugin });
      const facts = {
        plugin,
        state,
        ...(pid === undefined ? {} : { pid }),
        ...(error === undefined ? {} : { err: error }),
      };
      if (error === undefined) log.info(facts, `plugin ${plugin} is ${state}`);
      else log.warn(facts, `plugin ${plugin} is ${state}`);
    },
    line(plugin, stream, text) {
      log.info({ plugin, stream }, text);
    },
    crashed(plugin, crashes, unstable, exitCode) {
      if (!unstable) metrics.count('boi_core_plugin_restarts_total', 1, { plugin });
      emit({ kind: 'plugin.crashed', plugin, crashes, ...(exitCode === undefined ? {} : { exitCode }) });
      if (unstable) emit({ kind: 'plugin.unstable', plugin, crashes });
    },
    problem(plugin, message, error) {
      log.warn({ plugin, err: error }, `plugin ${plugin}: ${message}`);
    },
  };
}
