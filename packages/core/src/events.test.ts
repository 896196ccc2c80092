import { describe, expect, it } from 'vitest';
import { EVENT_KINDS, type EventPayload, eventPayloadProblems, eventsMarkdown } from './events.ts';
import { IdMinter, taskId } from './ids.ts';
import { SeededRandom, VirtualClock } from './testing/index.ts';

const ids = new IdMinter(new VirtualClock(), new SeededRandom(1));
const spec = ids.mint('spec');
const claimed: EventPayload<'task.claimed'> = {
  task: taskId(spec, 1),
  spec,
  executor: ids.mint('node'),
  attempt: 1,
  delivery: 1,
  fence: '9223372036854775807',
};

describe('the event catalogue', () => {
  it('has every kind that operators were promised', () => {
    const promised = [
      ...[
        'dispatched',
        'claimed',
        'started',
        'completed',
        'failed',
        'retried',
        'reassigned',
        'cancelled',
        'superseded',
      ].map((k) => `task.${k}`),
      ...['started', 'completed', 'failed'].map((k) => `spec.${k}`),
      ...['joined', 'drained', 'crashed', 'degraded', 'recovered'].map((k) => `node.${k}`),
      ...['requested', 'fulfilled', 'failed'].map((k) => `provision.${k}`),
      ...['crashed', 'unstable'].map((k) => `plugin.${k}`),
      ...['ca_rotated', 'paused', 'resumed', 'partition_detected', 'partition_healed'].map((k) => `cluster.${k}`),
      ...['exported', 'imported'].map((k) => `checkpoint.${k}`),
      'dispatch.refused',
      'claim.fence_rejected',
    ];
    expect(EVENT_KINDS).toEqual(expect.arrayContaining(promised));
  });

  it('names kinds as two words with a dot, which plugins split', () => {
    for (const kind of EVENT_KINDS) expect(kind).toMatch(/^[a-z]+\.[a-z_]+$/);
  });

  it('takes a payload of the right form', () => {
    expect(eventPayloadProblems('task.claimed', { ...claimed })).toEqual([]);
    expect(eventPayloadProblems('cluster.paused', {})).toEqual([]);
    expect(eventPayloadProblems('cluster.paused', { actor: ids.mint('user') })).toEqual([]);
  });

  it.each([
    ['a missing field', { task: undefined }, 'task.claimed.task must be a task'],
    ['an unknown field', { name: 'laptop' }, 'task.claimed has no field name'],
    ['an id of another kind', { executor: spec }, 'task.claimed.executor must be a node'],
    ['a name for an id', { executor: 'laptop' }, 'task.claimed.executor must be a node'],
    ['a number for a fence', { fence: 7 }, 'task.claimed.fence must be a decimal'],
    ['a negative count', { attempt: -1 }, 'task.claimed.attempt must be a count'],
  ])('tells %s', (_, change, problem) => {
    expect(eventPayloadProblems('task.claimed', { ...claimed, ...change })).toEqual([problem]);
  });

  it('has no room for free text: output and secrets cannot leak into events', () => {
    const text = 'password: hunter2 in a sentence';
    expect(eventPayloadProblems('dispatch.refused', { reason: text })).toHaveLength(1);
  });

  it('is documented kind by kind', () => {
    for (const kind of EVENT_KINDS) expect(eventsMarkdown()).toContain(`| \`${kind}\` |`);
  });
});
