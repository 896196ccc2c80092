/**
 * `boi-node logs sweep`: the daemon's retention on a data directory from outside. What would go can be looked at any time;
 * removing takes the directory's lock, since only the daemon that runs there knows which logs are being written.
 */
import { lockDataDir, systemClock } from '@boi/system';
import { LogStore, type SweepReport, sweepLogs } from '@boi/worker';
import type { DaemonConfig } from './config.ts';

export async function sweepDataDir(
  config: Pick<DaemonConfig, 'data-dir' | 'log-keep' | 'log-keep-bytes'>,
  options: { readonly dryRun: boolean },
): Promise<SweepReport> {
  const dataDir = config['data-dir'];
  const store = new LogStore({ dataDir, clock: systemClock });
  const limits = { keepMs: config['log-keep'], keepBytes: config['log-keep-bytes'] };
  if (options.dryRun) return sweepLogs(store, limits, systemClock, { dryRun: true });
  const lock = await lockDataDir(dataDir);
  try {
    return await sweepLogs(store, limits, systemClock);
  } finally {
    await lock.release();
  }
}
