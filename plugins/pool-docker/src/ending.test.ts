import type { ContainerState } from '@boi/docker-engine';
import { describe, expect, test } from 'vitest';
import { phaseOf } from './ending.ts';

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
