/**
 * The Docker engine, as `DOCKER_HOST` says. Everything the suite makes carries a label, so that what a run left behind, however
 * it ended, is found and removed by the next.
 */
import { stat } from 'node:fs/promises';
import Docker from 'dockerode';

export const docker = new Docker();

/**
 * On every container, network and volume of the suite; the value is the id of its cluster. Runs of different names
 * (BOI_E2E_RUN) share an engine and leave each other's alone.
 */
export const LABEL = ['boi.e2e', process.env.BOI_E2E_RUN].filter(Boolean).join('-');

/** Gives a container the engine itself, at the usual place; its user needs {@link engineGroup} too. */
export const ENGINE_MOUNT = {
  Type: 'bind' as const,
  Source: (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock',
  Target: '/var/run/docker.sock',
};

/** The group that may use it. */
export async function engineGroup(): Promise<string> {
  return String((await stat(ENGINE_MOUNT.Source)).gid);
}

/** Removes everything that carries the label, or what carries it with this value. */
export async function removeAll(cluster?: string): Promise<void> {
  const filters = { label: [cluster === undefined ? LABEL : `${LABEL}=${cluster}`] };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(
    containers.map(async ({ Id }) => {
      // A paused process takes no signal: the engine kills it all the same, but waits for it.
      await gone(docker.getContainer(Id).remove({ force: true, v: true }));
    }),
  );
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id }) => gone(docker.getNetwork(Id).remove())));
  const { Volumes } = await docker.listVolumes({ filters });
  await Promise.all((Volumes ?? []).map(({ Name }) => gone(docker.getVolume(Name).remove({ force: true }))));
}

/** What somebody else removed meanwhile is removed. */
async function gone(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error: { statusCode?: number }) => {
    if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
  });
}
