/** A worker with real plugins: a runner on a directory of its own, supervisors of bundled programs, assignments, logs. */
import { join } from 'node:path';
import { type Assignment, IdMinter, taskId } from '@boi/core';
import type { PluginConfig, PluginSupervisor } from '@boi/plugin-host';
import { bundleProgram, type Lab, openLab } from '@boi/plugin-host/testing';
import { createLogger, systemClock, systemRandom } from '@boi/system';
import { ProcessRunner } from '@boi/worker';
import { TaskPlugins } from '../task-plugins.ts';

const minter = new IdMinter(systemClock, systemRandom);
const project = minter.mint('project');
const node = minter.mint('node');
let fence = 1_000;

export type Change = Partial<Omit<Assignment, 'definition'>> & {
  readonly definition?: Partial<Assignment['definition']>;
};

export function assignment(run: string, change: Change = {}): Assignment {
  const spec = minter.mint('spec');
  return {
    task: taskId(spec, 1),
    spec,
    project,
    node,
    attempt: 1,
    delivery: 1,
    fence: String(++fence),
    inputs: {},
    ...change,
    definition: { ref: 'it', run, graceMs: 10_000, ...change.definition },
  };
}

export interface TaskBench {
  readonly lab: Lab;
  /** Of the present life. */
  readonly supervisor: PluginSupervisor;
  readonly plugins: TaskPlugins;
  readonly runner: ProcessRunner;
  /** Ends this life of the worker as if its daemon gave up; what is kept runs on. The next one begins with other secrets, perhaps. */
  leave(): Promise<void>;
  again(secrets?: Readonly<Record<string, string | undefined>>): Promise<void>;
  logOf(given: Assignment): Promise<Buffer>;
  /** Resolves when the log has so many bytes. */
  written(given: Assignment, bytes: number): Promise<void>;
  close(): Promise<void>;
}

const programs = new Map<string, Promise<string>>();

/** `folder`: of a plugin of this repository, or the path of a source file. */
function programOf(folder: string): Promise<string> {
  const main = folder.endsWith('.ts') ? folder : join('plugins', folder, 'src/main.ts');
  const known = programs.get(folder) ?? bundleProgram(join(import.meta.dirname, '../../../../..', main));
  programs.set(folder, known);
  return known;
}

/** Of a plugin of this repository; `args` may name the bench's directory. */
export async function taskBench(
  kind: PluginConfig['kind'],
  folder: string,
  args: (directory: string) => readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<TaskBench> {
  const lab = await openLab();
  const program = await programOf(folder);
  const command = { name: 'it', kind, command: process.execPath, args: [program, ...args(lab.directory)] };
  const log = createLogger({ name: 'test', level: 'silent' });
  const live = async (secrets: Readonly<Record<string, string | undefined>>) => {
    const supervisor = lab.supervisor(command, { restartDelayMs: 50 });
    const plugins = new TaskPlugins({ supervisors: [supervisor], clock: systemClock, log, epoch: () => '7' });
    const { workspaces, pool } = plugins;
    const runner = new ProcessRunner({
      dataDir: join(lab.directory, 'data'),
      clock: systemClock,
      logger: log,
      env: secrets,
      ...(workspaces === undefined ? {} : { workspaces }),
      ...(pool === undefined ? {} : { pool }),
    });
    await runner.open();
    return { supervisor, plugins, runner };
  };
  let life = await live(env);
  return {
    lab,
    get supervisor() {
      return life.supervisor;
    },
    get plugins() {
      return life.plugins;
    },
    get runner() {
      return life.runner;
    },
    leave: async () => {
      await life.runner.stop({ leave: true });
      await life.plugins.stop();
      await life.supervisor.stop();
    },
    again: async (secrets = env) => {
      life = await live(secrets);
      await life.supervisor.start();
      life.plugins.start();
    },
    logOf: async (given) => {
      const parts: Buffer[] = [];
      const place = { ...given, offset: 0, signal: new AbortController().signal };
      // Its bytes are good until the next is asked for.
      for await (const { bytes } of life.runner.logs.follow(place)) parts.push(Buffer.from(bytes));
      return Buffer.concat(parts);
    },
    written: async (given, bytes) => {
      let seen = 0;
      const place = { ...given, offset: 0, signal: AbortSignal.timeout(30_000) };
      for await (const chunk of life.runner.logs.follow(place)) {
        seen += chunk.bytes.length;
        if (seen >= bytes) return;
      }
      throw new Error(`the log ended with ${seen} of ${bytes} bytes`);
    },
    close: async () => {
      await life.runner.stop();
      await life.plugins.stop();
      await lab.close();
    },
  };
}
