/**
 * The conformance kit: runs a plugin as a node would and checks what its contract promises, a check at a time, each on the same
 * supervised process. A check that fails says what was expected; the ones after it still run. `boi-plugin-test` prints the list;
 * the tests of the shipped plugins call {@link runConformance} itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, IdMinter, type Random, sleep } from '@boi/core';
import { systemClock, systemRandom } from '@boi/system';
import type { PluginChannel } from '../channel.ts';
import type { PluginConfig } from '../config.ts';
import { PluginError, type PluginFailure } from '../errors.ts';
import { MemoryCrashLog } from '../supervise/crash-log.ts';
import { PluginSupervisor } from '../supervise/supervisor.ts';
import { commonChecks } from './common-checks.ts';
import { hooksChecks } from './hooks-checks.ts';
import { poolChecks } from './pool-checks.ts';
import { provisionerChecks } from './provisioner-checks.ts';
import { routerChecks } from './router-checks.ts';
import { workspaceChecks } from './workspace-checks.ts';

export interface Bench {
  readonly clock: Clock;
  readonly random: Random;
  readonly minter: IdMinter;
  readonly supervisor: PluginSupervisor;
  /** An empty directory, removed at the end. */
  readonly directory: string;
  /** What the plugin wrote on either output. */
  readonly lines: readonly string[];
  /** For workspace plugins: a source that it can prepare. */
  readonly source: string;
  channel(): Promise<PluginChannel>;
  /** Kills the process and waits until the next one is ready. */
  crash(): Promise<PluginChannel>;
}

export interface Check {
  /** What must be true, as a sentence. */
  readonly name: string;
  run(bench: Bench): Promise<void>;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** What was wrong. */
  readonly problem?: string;
  /** The last of what the plugin wrote meanwhile, if something was wrong: often it says why. */
  readonly wrote?: readonly string[];
  readonly tookMs: number;
}

export interface ConformanceOptions {
  readonly plugin: Pick<PluginConfig, 'kind' | 'command'> & Partial<PluginConfig>;
  /** For workspace plugins: a source that it can prepare. */
  readonly source?: string;
  /** Told of each check as it ends. */
  readonly onResult?: (result: CheckResult) => void;
}

/** No check may take longer; one that does has failed, and the rest go on. */
const CHECK_MS_MAX = 60_000;
/** Of what it wrote: enough for the end of a stack trace. */
const LINES_TOLD = 20;

const CHECKS = {
  hooks: hooksChecks,
  pool: poolChecks,
  workspace: workspaceChecks,
  router: routerChecks,
  provisioner: provisionerChecks,
};

/** All checks for the plugin's kind, in order. The plugin conforms if every one is ok. */
export async function runConformance(options: ConformanceOptions): Promise<readonly CheckResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'boi-kit-'));
  const minter = new IdMinter(systemClock, systemRandom);
  const lines: string[] = [];
  const config: PluginConfig = { name: 'under-test', ...options.plugin };
  const supervisor = new PluginSupervisor(config, {
    clock: systemClock,
    random: systemRandom,
    nodeId: minter.mint('node'),
    hostVersion: 'conformance-kit',
    runtimeDir: join(directory, 'run'),
    crashLog: new MemoryCrashLog(),
    times: { restartDelayMs: 10, restartsMax: 20, crashWindowMs: 5_000, healthEveryMs: 500 },
    observer: {
      status: () => undefined,
      line: (_, stream, text) => lines.push(`${stream}: ${text}`),
      crashed: () => undefined,
      problem: () => undefined,
    },
  });
  const channel = () => supervisor.untilReady(AbortSignal.timeout(CHECK_MS_MAX));
  const bench: Bench = {
    clock: systemClock,
    random: systemRandom,
    minter,
    supervisor,
    directory,
    lines,
    source: options.source ?? '',
    channel,
    crash: async () => {
      await channel();
      const { pid } = supervisor.status;
      process.kill(pid as number, 'SIGKILL');
      while (supervisor.status.pid === pid) await supervisor.changed();
      return channel();
    },
  };
  const results: CheckResult[] = [];
  try {
    await supervisor.start();
    for (const check of [...commonChecks, ...CHECKS[config.kind], ...lastChecks(bench)]) {
      // What it wrote while it was started belongs to the first.
      const result = await runCheck(check, bench, results.length === 0 ? 0 : lines.length);
      results.push(result);
      options.onResult?.(result);
      // Without a handshake nothing else can be judged.
      if (!result.ok && results.length === 1) break;
    }
  } finally {
    await supervisor.stop();
    await rm(directory, { recursive: true, force: true });
  }
  return results;
}

async function runCheck(check: Check, bench: Bench, linesBefore: number): Promise<CheckResult> {
  const before = bench.clock.mono();
  const over = new AbortController();
  const late = sleep(bench.clock, CHECK_MS_MAX, over.signal).then(() => {
    throw new Error(`not done after ${CHECK_MS_MAX / 1_000} s`);
  });
  late.catch(() => undefined);
  try {
    await Promise.race([check.run(bench), late]);
    return { name: check.name, ok: true, tookMs: bench.clock.mono() - before };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const wrote = bench.lines.slice(linesBefore).slice(-LINES_TOLD);
    const told = wrote.length === 0 ? {} : { wrote };
    return { name: check.name, ok: false, problem, ...told, tookMs: bench.clock.mono() - before };
  } finally {
    over.abort();
  }
}

function lastChecks(bench: Bench): Check[] {
  return [
    {
      name: 'ends within 5 s of TERM, before it is killed',
      run: async () => {
        await bench.channel();
        const before = bench.clock.mono();
        await bench.supervisor.stop();
        const tookMs = bench.clock.mono() - before;
        expect(tookMs < 5_000, `it had to be killed after ${Math.round(tookMs)} ms`);
      },
    },
  ];
}

/** Fails the check with `problem` unless the condition holds. */
export function expect(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Error(problem);
}

/** Fails the check unless the call fails for one of the reasons. */
export async function expectFailure(call: Promise<unknown>, ...reasons: PluginFailure[]): Promise<PluginError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome !== undefined, `the call was answered, but should fail (${reasons.join(' or ')})`);
  if (!(outcome instanceof PluginError) || !reasons.includes(outcome.reason))
    throw new Error(`expected ${reasons.join(' or ')}, got: ${String(outcome)}`);
  return outcome;
}

/** Looks until the condition holds. */
export async function until(bench: Bench, what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = bench.clock.mono() + 20_000;
  while (!(await condition())) {
    expect(bench.clock.mono() < deadline, `${what} did not happen within 20 s`);
    await sleep(bench.clock, 20);
  }
}
