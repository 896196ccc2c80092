/**
 * What the engine is told to make of a task: a container whose name is made of task and fence, so that there cannot be two; whose
 * labels say whose it is; that runs the task's own program below an init, which passes TERM on and reaps; and whose log is kept
 * byte for byte and whole, since the output is read from there.
 */
import { dirname } from 'node:path';
import { type Bind, bindConfig, type Docker, type Limits, limitsConfig, readLimits } from '@boi/docker-engine';
import { type Introduction, type pool, Refusal, type RunKey } from '@boi/plugin-sdk';
import type { Settings } from './settings.ts';

/** On each container; the values of the last two say who may list it. */
export const LABELS = {
  task: 'boi.pool.task',
  fence: 'boi.pool.fence',
  node: 'boi.pool.node',
  plugin: 'boi.pool.plugin',
} as const;

/** Weight of a container among others; the engine's own measure of one whole share, and the most it takes. */
const SHARES = 1_024;
const SHARES_MAX = 262_144;

/** The driver that keeps bytes as they are (`json-file` does not); it is never to drop the beginning, as it does at `max-size`. */
const LOG = { Type: 'local', Config: { 'max-size': '1000000m', 'max-file': '1', compress: 'false' } };

export function containerName({ taskId, fence }: RunKey): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(taskId)) throw new Refusal('invalid-argument', 'task_id is ill-formed');
  return `boi-${taskId}.${fence}`;
}

/** Throws a refusal that names the option which is wrong. */
export function containerOptions(
  request: pool.SpawnRequest__Output,
  settings: Settings,
  owner: Introduction,
): Docker.ContainerCreateOptions & { readonly Image: string } {
  const { taskId, fence, argv, env, workdir, slots } = request;
  const { image, limits } = readOptions(request.options, settings);
  return {
    name: containerName(request),
    Image: image,
    Entrypoint: [...argv],
    Cmd: [],
    Env: Object.entries(env).flatMap(([name, value]) => (settings.imageEnv.has(name) ? [] : [`${name}=${value}`])),
    ...(workdir === '' ? {} : { WorkingDir: workdir }),
    ...(settings.user === undefined ? {} : { User: settings.user }),
    Labels: {
      ...settings.labels,
      [LABELS.task]: taskId,
      [LABELS.fence]: fence,
      [LABELS.node]: owner.nodeId,
      [LABELS.plugin]: owner.pluginId,
    },
    // The image's own is for its own program.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      Init: true,
      LogConfig: LOG,
      Mounts: bindConfig(binds(request, settings)),
      CpuShares: Math.min(SHARES_MAX, SHARES * Math.max(1, slots)),
      ...(settings.network === undefined ? {} : { NetworkMode: settings.network }),
      ...limitsConfig({ ...settings.limits, ...limits }),
    },
  };
}

function readOptions(
  { image: asked, cpus, memory, ...unknown }: Readonly<Record<string, string>>,
  { image = '', allow }: Settings,
): { readonly image: string; readonly limits: Limits } {
  const refuse = (message: string) => new Refusal('invalid-argument', message);
  const [strange] = Object.keys(unknown);
  if (strange !== undefined) throw refuse(`option ${strange}: there are image, cpus and memory`);
  if (asked !== undefined && allow.length > 0 && !allow.some((prefix) => asked.startsWith(prefix)))
    throw refuse(`option image ${asked}: must begin with ${allow.join(' or ')}`);
  const named = asked ?? image;
  if (named === '') throw refuse('option image: must name one, this pool has none by default');
  try {
    return { image: named, limits: readLimits('option ', { cpus, memory }) };
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

/** The working directory and that of the outputs, at the paths the node has them; and what the operator adds. */
function binds({ workdir, env }: pool.SpawnRequest__Output, settings: Settings): readonly Bind[] {
  const output = env.BOI_OUTPUT;
  const wanted = [workdir, output === undefined ? '' : dirname(output)].filter((path) => path.startsWith('/'));
  // One that is inside the other comes with it.
  const apart = [...new Set(wanted)].filter((path) => !wanted.some((other) => isBelow(path, other)));
  const own = apart.map((path) => ({ source: onEngine(path, settings), target: path, readOnly: false }));
  return [...own, ...settings.mounts];
}

/** The longest of the given places decides. */
function onEngine(path: string, { paths }: Settings): string {
  const [best] = paths
    .filter(({ seen }) => path === seen || isBelow(path, seen))
    .sort((a, b) => b.seen.length - a.seen.length);
  return best === undefined ? path : best.there + path.slice(best.seen.length);
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}
