/** What holds for plugins of every kind. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { sleep } from '@boi/core';
import { MESSAGE_BYTES_MAX } from '../config.ts';
import { type Bench, type Check, expect } from './kit.ts';

export const commonChecks: readonly Check[] = [
  {
    name: 'prints BOI_READY, serves its socket and answers the handshake',
    run: async (bench) => {
      const { supervisor } = bench;
      while (supervisor.status.state === 'starting' || supervisor.status.state === 'stopped')
        await supervisor.changed();
      const { state, error } = supervisor.status;
      expect(state === 'ready', error?.message ?? `it is ${state}`);
      expect((supervisor.status.introduction?.version ?? '') !== '', 'it should tell its version');
    },
  },
  {
    name: 'answers the standard health check',
    run: async (bench) => (await bench.channel()).checkHealth(5_000),
  },
  {
    name: 'answers the handshake again',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = { minor: 99, hostVersion: 'later', nodeId: bench.minter.mint('node'), pluginId: 'x' };
      const answer = await channel.call<object, { readonly major: number }>('Handshake', request, { timeoutMs: 5_000 });
      expect(answer.major === 1, `major should be 1 for a node of a later minor too, it is ${answer.major}`);
    },
  },
  {
    name: 'survives garbage on its socket',
    run: async (bench) => {
      await bench.channel();
      const pid = bench.supervisor.status.pid;
      await sendGarbage(bench);
      await (await bench.channel()).checkHealth(5_000);
      expect(bench.supervisor.status.pid === pid, 'its process ended');
    },
  },
  {
    name: 'survives a request as large as they come',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = { hostVersion: 'x'.repeat(MESSAGE_BYTES_MAX - 1_024) };
      await channel.call('Handshake', request, { timeoutMs: 10_000 }).catch(() => undefined);
      await channel.checkHealth(5_000);
    },
  },
  {
    name: 'ends when its standard input does, since its node is gone then',
    run: async (bench) => {
      const { command, args = [], env } = bench.supervisor.config;
      const socket = join(bench.directory, 'left-alone.sock');
      const child = spawn(command, [...args], {
        env: { ...process.env, ...env, BOI_PLUGIN_SOCKET: socket, BOI_PLUGIN_ID: 'left-alone' },
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      });
      const ended = new Promise<boolean>((resolve) => {
        child.once('exit', () => resolve(true)).once('error', () => resolve(true));
      });
      try {
        await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended]);
        child.stdin.end();
        const isGone = await Promise.race([ended, sleep(bench.clock, 5_000).then(() => false)]);
        expect(isGone, 'it lives on 5 s later');
      } finally {
        killGroup(child.pid);
      }
    },
  },
  {
    name: 'is ready again after a crash',
    run: async (bench) => (await bench.crash()).checkHealth(5_000),
  },
];

function sendGarbage(bench: Bench): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(join(bench.directory, 'run', `${bench.supervisor.config.name}.sock`));
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.end(Buffer.from(bench.random.bytes(4_096)));
    socket.resume();
    bench.clock.timer(1_000, () => socket.destroy());
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
