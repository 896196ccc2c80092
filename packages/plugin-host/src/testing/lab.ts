/** A place to run plugins in tests: a short-lived directory, an observer that remembers, supervisors that are stopped at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdMinter } from '@boi/core';
import { systemClock, systemRandom } from '@boi/system';
import type { PluginConfig, SupervisionTimes } from '../config.ts';
import { type CrashLog, MemoryCrashLog } from '../supervise/crash-log.ts';
import { type PluginState, type PluginStatus, PluginSupervisor } from '../supervise/supervisor.ts';

export interface Lab {
  readonly directory: string;
  readonly crashLog: CrashLog;
  readonly statuses: PluginStatus[];
  readonly lines: string[];
  readonly problems: string[];
  readonly crashes: { readonly crashes: number; readonly unstable: boolean; readonly exitCode: number | undefined }[];
  supervisor(config: Partial<PluginConfig> & { command: string }, times?: Partial<SupervisionTimes>): PluginSupervisor;
  /** Resolves when the supervisor is in the state. */
  reaches(supervisor: PluginSupervisor, ...states: PluginState[]): Promise<PluginStatus>;
  close(): Promise<void>;
}

export const minter = new IdMinter(systemClock, systemRandom);
const QUICK: Partial<SupervisionTimes> = { restartDelayMs: 5, stopGraceMs: 300, healthEveryMs: 60_000 };

export async function openLab(crashLog: CrashLog = new MemoryCrashLog()): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), 'boi-lab-'));
  const supervisors: PluginSupervisor[] = [];
  const lab: Omit<Lab, 'supervisor' | 'reaches' | 'close'> = {
    directory,
    crashLog,
    statuses: [],
    lines: [],
    problems: [],
    crashes: [],
  };
  return {
    ...lab,
    supervisor: (config, times) => {
      const supervisor = new PluginSupervisor(
        { name: 'under-test', kind: 'router', readyTimeoutMs: 5_000, ...config },
        {
          clock: systemClock,
          random: systemRandom,
          nodeId: minter.mint('node'),
          hostVersion: '0.0.0-test',
          runtimeDir: join(directory, 'run'),
          crashLog,
          times: { ...QUICK, ...times },
          observer: {
            status: (status) => lab.statuses.push(status),
            line: (plugin, stream, text) => lab.lines.push(`${plugin} ${stream} ${text}`),
            crashed: (_, crashes, unstable, exitCode) => lab.crashes.push({ crashes, unstable, exitCode }),
            problem: (_, message) => lab.problems.push(message),
          },
        },
      );
      supervisors.push(supervisor);
      return supervisor;
    },
    reaches: async (supervisor, ...states) => {
      while (!states.includes(supervisor.status.state)) await supervisor.changed();
      return supervisor.status;
    },
    close: async () => {
      await Promise.all(supervisors.map((supervisor) => supervisor.stop()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
