import type { ContainerState } from '@boi/docker-engine';
import { describe, expect, test } from 'vitest';
import { mayNotHaveStarted, phaseOf, startFailureOf } from './ending.ts';

const NEVER = '0001-01-01T00:00:00Z';
const FROM = '2026-01-02T03:04:05.678901234Z';
const TO = '2026-01-02T03:05:05.1Z';
const state = (change: object) =>
  ({
    Status: 'created',
    ExitCode: 0,
    Error: '',
    OOMKilled: false,
    StartedAt: NEVER,
    FinishedAt: NEVER,
    ...change,
  }) as ContainerState;
const ended = (change: object) =>
  phaseOf(state({ Status: 'exited', StartedAt: FROM, FinishedAt: TO, ...change }), () => 9);

describe('a container', () => {
  test('that was made and not started is new, one that could not be started has ended', () => {
    expect(phaseOf(state({}), () => 9)).toEqual({ phase: 'new' });
    const failed = { ExitCode: 127, Error: 'exec: "nothing": executable file not found' };
    expect(phaseOf(state(failed), () => 9)).toEqual({
      phase: 'ended',
      end: { startFailure: failed.Error, startedAtMs: '0', endedAtMs: '9' },
    });
  });

  test.each(['running', 'paused', 'restarting', 'removing'])('that is %s runs', (Status) => {
    expect(phaseOf(state({ Status, StartedAt: FROM }), () => 9)).toEqual({ phase: 'running' });
  });

  test.each([
    [{ ExitCode: 0 }, { exitCode: 0 }],
    [{ ExitCode: 255 }, { exitCode: 255 }],
    [{ ExitCode: 139 }, { exitCode: 139 }],
    [{ ExitCode: 137 }, { signal: 'SIGKILL' }],
    [{ ExitCode: 143 }, { signal: 'SIGTERM' }],
    [{ ExitCode: 1, OOMKilled: true }, { signal: 'SIGKILL' }],
  ])('that ended with %j is told as %j', (change, how) => {
    const times = { startedAtMs: String(Date.parse('2026-01-02T03:04:05.678Z')), endedAtMs: String(Date.parse(TO)) };
    expect(ended(change)).toEqual({ phase: 'ended', end: { ...how, ...times } });
  });
});

test('a program that ends at once does not end before it began', () => {
  const [StartedAt, FinishedAt] = ['2026-11-21T19:42:49.460486331Z', '2026-11-21T19:42:49.448772425Z'];
  const atMs = String(Date.parse(StartedAt));
  expect(ended({ StartedAt, FinishedAt })).toMatchObject({ end: { startedAtMs: atMs, endedAtMs: atMs } });
});

describe('a program that the init of the container could not start', () => {
  test('is told by what the init wrote, if nothing else was written', () => {
    const words = '[FATAL tini (7)] exec /no/such/program failed: No such file or directory\n';
    expect(startFailureOf(words)).toBe('/no/such/program: No such file or directory');
    for (const written of ['', 'sh: 1: nothing: not found\n', `before\n${words}`, `${words}after\n`])
      expect(startFailureOf(written)).toBeUndefined();
    expect(
      [0, 1, 126, 127, 128, undefined].filter((exitCode) =>
        mayNotHaveStarted(exitCode === undefined ? {} : { exitCode }),
      ),
    ).toEqual([126, 127]);
  });
});
