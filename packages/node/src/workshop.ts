/** What of a node executes tasks and keeps what they leave: the runner with its guard, logs and their retention, the buffer of results. */
import { join, resolve } from 'node:path';
import type { BufferedResult, ResultBuffer as ResultBufferPort } from '@boi/cluster';
import type { TaskRunner } from '@boi/core';
import { type Logger, systemClock, systemRandom } from '@boi/system';
import { findTaskUser, ProcessRunner, ResultBuffer, RetentionService } from '@boi/worker';
import type { DaemonConfig } from './config.ts';
import { StoredLogs } from './local-logs.ts';
import type { LocalLogs } from './log-relay.ts';
import type { MetricsRegistry } from './metrics-registry.ts';
import type { TaskPlugins } from './plugins/task-plugins.ts';

export interface Workshop {
  readonly runner: TaskRunner;
  readonly buffer: ResultBufferPort;
  readonly logs: LocalLogs;
  /** Of the results kept on disk. */
  readonly bufferedBytes: () => number;
  /** `leave`: what a pool runs goes on for the next life of the daemon, which this one gives up to be. */
  stop(options?: { readonly leave?: boolean }): Promise<void>;
}

/** Resolves when leftovers of an earlier life are gone and tasks may be started. */
export async function openWorkshop(
  config: DaemonConfig,
  log: Logger,
  metrics: MetricsRegistry,
  plugins: TaskPlugins,
): Promise<Workshop> {
  const dataDir = config['data-dir'];
  const secretsFile = config['secrets-file'];
  const buffer = new ResultBuffer<BufferedResult>({
    path: join(dataDir, 'results.pending'),
    onEvict: (result) => {
      metrics.count('boi_core_buffered_results_evicted_total');
      log.fatal(
        { task: result.task, fence: result.fence },
        'the buffer of results is full: the oldest is given up, its task will run again',
      );
    },
    onProblem: (message, err) => log.error({ err }, message),
  });
  await buffer.open();
  const name = config['task-user'];
  const user = name === undefined ? undefined : await findTaskUser(name);
  const workDir = config['work-dir'] ?? (user === undefined ? undefined : `${resolve(dataDir)}-work`);
  const runner = new ProcessRunner({
    dataDir,
    ...(workDir === undefined ? {} : { workDir: resolve(workDir) }),
    ...(user === undefined ? {} : { user }),
    clock: systemClock,
    logger: log,
    logBytesMax: config['log-bytes'],
    ...(secretsFile === undefined ? {} : { secretsFile }),
    ...(plugins.workspaces === undefined ? {} : { workspaces: plugins.workspaces }),
    ...(plugins.pool === undefined ? {} : { pool: plugins.pool }),
  });
  await runner.open();
  const retention = new RetentionService({
    store: runner.logs,
    limits: { keepMs: config['log-keep'], keepBytes: config['log-keep-bytes'] },
    clock: systemClock,
    random: systemRandom,
    onSweep: (result) => {
      if (result instanceof Error) {
        log.error({ err: result }, 'old logs could not be removed');
        return;
      }
      const { swept, failed, bytes, keptBytes } = result;
      metrics.gauge('boi_core_log_bytes', keptBytes);
      if (swept.length > 0 || failed.length > 0)
        log.info({ logs: swept.length, bytes, failed: failed.length }, 'removed old logs');
    },
  });
  retention.start();
  return {
    runner,
    buffer,
    logs: new StoredLogs(runner.logs),
    bufferedBytes: () => buffer.size.bytes,
    async stop({ leave = false } = {}) {
      await retention.stop();
      await runner.stop({ leave });
      await plugins.stop();
      await buffer.close();
    },
  };
}
