/** What happens to hosts, their network, disks and clocks in one step: one act, drawn by weight. */
import type { SeededRandom } from '@boi/core/testing';
import { compareRevisions } from '@boi/store';
import { WEATHERS, type Weather } from './faults.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

export interface Step {
  readonly world: World;
  readonly random: SeededRandom;
  /** Drawn among all. */
  readonly host: Host;
  /** Another node joins, if there may be more. */
  readonly join: () => void;
}

/** Others come back so much later than the one that has something to say. */
const LATER_MS = 4_000;
const REFUSING_MS_MAX = 2_500;
/** Within what the archiver allows for: two nodes' clocks at most two minutes apart. */
const CLOCK_JUMP_MS = 40_000;

export const CALAMITIES: readonly (readonly [weight: number, name: string, act: (step: Step) => void])[] = [
  [6, 'crash', crash],
  [3, 'lose disk', loseDisk],
  [14, 'start', start],
  [5, 'freeze', freeze],
  [7, 'thaw all', ({ world }) => thawAll(world)],
  [6, 'partition', partition],
  [7, 'heal all', ({ world }) => healAll(world)],
  [3, 'cut watches', cutWatches],
  [3, 'compact', compact],
  [9, 'weather', ({ host, random }) => host.weather(random.pick(WEATHERS))],
  [1, 'slow store', ({ world, random }) => slowStore(world, random)],
  [3, 'stop', stop],
  [2, 'power cut', powerCut],
  [6, 'disk', disk],
  [2, 'clock jump', clockJump],
];

function crash({ world, host }: Step): void {
  if (host.state === 'off') return;
  world.tally.add('crash');
  host.crash({ loseDisk: false });
}

function loseDisk({ world, host }: Step): void {
  world.tally.add('crash with the disk lost');
  host.crash({ loseDisk: true });
}

function start({ world, random, join }: Step): void {
  const off = world.hosts.filter(({ state }) => state === 'off');
  if (off.length > 0) void random.pick(off).start(random.pick(WEATHERS));
  else join();
}

function freeze({ world, host }: Step): void {
  if (host.state !== 'up') return;
  world.tally.add('pause of a process');
  host.freeze();
}

function thawAll({ hosts }: World): void {
  for (const host of hosts) host.thaw();
}

function partition({ world, host, random }: Step): void {
  if (host.state === 'off') return;
  world.tally.add('partition, two-way');
  host.partition(random.pick(['silent', 'refusing']));
}

function healAll({ hosts }: World): void {
  for (const host of hosts) host.heal();
}

function cutWatches({ world, host }: Step): void {
  world.tally.add('watch cut');
  host.loseWatches();
}

/** Everything up to now: whoever is behind must list anew. */
function compact({ world }: Step): void {
  const { server, tally } = world;
  if (compareRevisions(server.revision, world.referee.compacted) <= 0) return;
  tally.add('compaction under watches');
  world.referee.compacted = server.revision;
  server.compact(server.revision);
}

function slowStore(world: World, random: SeededRandom): void {
  for (const host of world.hosts) host.weather('slow');
  const { clock, hosts } = world;
  clock.timer(2_000 + random.int(8_000), () => {
    for (const host of hosts) host.weather('fair');
  });
}

function stop({ world, host, random }: Step): void {
  if (host.state !== 'up') return;
  world.tally.add('stop of a daemon');
  void host.stop(random.int(4_000));
}

/** All at once; whoever has kept results is back first, before anybody could adopt what it held. */
function powerCut({ world, random }: Step): void {
  const { hosts, tally, clock } = world;
  tally.add('power cut of all nodes');
  for (const host of hosts) {
    host.crash({ loseDisk: false });
    host.disk.reboot();
  }
  for (const host of hosts) if (random.next() < 0.5) host.expire();
  const first = hosts.find((host) => host.disk.tasks.length > 0) ?? random.pick(hosts);
  if (first.disk.tasks.length > 0) {
    first.expire();
    tally.add('node restarted before the others with a kept result');
  }
  void first.start('fair');
  for (const host of hosts) {
    if (host === first) continue;
    const weather: Weather = random.pick(WEATHERS);
    clock.timer(500 + random.int(LATER_MS), () => {
      if (host.state === 'off') void host.start(weather);
    });
  }
}

function disk({ world, host, random }: Step): void {
  host.disk.state = random.pick(['sound', 'read-only', 'keeping', 'keeping']);
  if (host.disk.state !== 'keeping' || host.state !== 'up' || host.cut) return;
  // What ends while the store refuses is kept, and what is committed after that should be forgotten.
  host.partition('refusing');
  world.clock.timer(500 + random.int(REFUSING_MS_MAX), () => host.heal());
}

function clockJump({ world, host, random }: Step): void {
  if (host.state === 'off') return;
  world.tally.add('wall clock jumps');
  host.setClock(random.int(2 * CLOCK_JUMP_MS) - CLOCK_JUMP_MS);
}
