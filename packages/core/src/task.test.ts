import { describe, expect, it } from 'vitest';
import { TASK_STATES } from './api.ts';
import {
  isFinalTaskState,
  OPEN_TASK_STATES,
  TASK_TRANSITIONS,
  type TaskEvent,
  taskTransitionsMarkdown,
  transition,
} from './task.ts';

const EVENTS = Object.keys(TASK_TRANSITIONS) as TaskEvent[];

describe('the life of a task', () => {
  it.each<[string, TaskEvent[], string]>([
    ['runs through', ['dispatched', 'claimed', 'succeeded'], 'succeeded'],
    ['waits for its needs', ['dispatched-blocked', 'released', 'claimed', 'failed'], 'failed'],
    [
      'is skipped, blocked again and run',
      ['dispatched-blocked', 'skipped', 're-blocked', 'released', 'claimed', 'succeeded'],
      'succeeded',
    ],
    ['is retried after its backoff', ['dispatched', 'claimed', 'retried', 'due', 'claimed', 'timed-out'], 'timed-out'],
    ['survives its node', ['dispatched', 'claimed', 'taken-over', 'claimed', 'succeeded'], 'succeeded'],
    [
      'is committed late while no other node can run it',
      ['dispatched', 'claimed', 'stranded', 'succeeded'],
      'succeeded',
    ],
    ['is poison', ['dispatched', 'claimed', 'poisoned'], 'poison'],
    ['is retried by hand', ['dispatched', 'cancelled', 'retried-by-hand', 'moved', 'claimed'], 'running'],
  ])('%s', (_, events, end) => {
    let state: Parameters<typeof transition>[0] | undefined = 'new';
    for (const event of events) state = state === undefined ? undefined : transition(state, event);
    expect(state).toBe(end);
  });

  it.each<[Parameters<typeof transition>[0], TaskEvent]>([
    ['succeeded', 'claimed'],
    ['succeeded', 'failed'],
    ['succeeded', 'retried-by-hand'],
    ['failed', 'succeeded'],
    ['blocked', 'claimed'],
    ['queued', 'succeeded'],
    ['new', 'claimed'],
    ['skipped', 'released'],
  ])('has no way from %s by %s', (state, event) => {
    expect(transition(state, event)).toBeUndefined();
  });

  it('reaches every state, and leaves every one that is not final', () => {
    expect(new Set(EVENTS.map((event) => TASK_TRANSITIONS[event].to))).toEqual(new Set(TASK_STATES));
    for (const state of OPEN_TASK_STATES)
      expect(EVENTS.some((event) => transition(state, event) !== undefined)).toBe(true);
  });

  it('lets nothing but a person or a re-block lead out of a final state', () => {
    for (const state of TASK_STATES.filter(isFinalTaskState))
      for (const event of EVENTS)
        if (transition(state, event) !== undefined) expect(['retried-by-hand', 're-blocked']).toContain(event);
  });

  it('is documented event by event', () => {
    const text = taskTransitionsMarkdown();
    for (const event of EVENTS) expect(text).toContain(`| ${event} |`);
  });
});
