/** Names in the command: which ones a spec file may have, and that what others named cannot disturb the screen of who looks. */
import { clusterView, NODE_ID, nodeView, SPEC_ID, StubApi, specView, T0, TASK_ID, taskView } from '@boi/client/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

let home: Home;
let api: StubApi;

beforeEach(async () => {
  home = await Home.make();
  api = await StubApi.start();
});

afterEach(async () => {
  await api.stop();
  await home.remove();
});

const run = (words: readonly string[], stdin?: string) =>
  home.run(words, { now: T0 + 90_000, env: { BOI_ENDPOINTS: api.url }, ...(stdin === undefined ? {} : { stdin }) });

const validated = (name: string) =>
  run(['spec', 'validate', '-'], JSON.stringify({ name, tasks: [{ ref: 'a', run: 'true' }] }));

describe('the name of a spec', () => {
  it.each(['a', 'Eric (laptop)', 'x'.repeat(128), '😀'.repeat(128), '\u00E9', 'a\u200Bb', 'Admin'])(
    'may be %j',
    async (name) => {
      expect(await validated(name)).toMatchObject({ code: 0 });
    },
  );

  it.each([
    '',
    ' ',
    ' a',
    'a ',
    '\uFEFFa',
    'a\tb',
    'a\u007Fb',
    'a\u0085b',
    'x'.repeat(129),
    '😀'.repeat(129),
    'e\u0301',
    '\uE000',
    '\u0378',
    'a\uD800',
  ])('may not be %j: exit 2, with the place in the file', async (name) => {
    const done = await validated(name);
    expect(done.code).toBe(2);
    expect(done.stderr).toMatch(/^<stdin>:1:9: must /m);
  });
});

describe('names that others gave', () => {
  // Accepted ones, all of them: an override that turns the line round, a hidden space, letters that run from the right.
  const override = 'a\u202Egnp.exe';
  const hidden = 'pay\u200Bpal';
  const hebrew = '\u05E9\u05DC\u05D5\u05DD';

  beforeEach(() => {
    api.on('whoami', () => ({
      node: { id: NODE_ID },
      cluster: 'c',
      version: '0.1.0',
      defaultProject: { id: 'prj_1' },
    }));
    api.on('cluster.show', () => clusterView());
  });

  it.each([override, hidden, hebrew])(
    '%j cannot reorder, hide or forge anything in any list, page or finding',
    async (name) => {
      api.on('node.list', () => ({ items: [nodeView({ name, state: 'dead' })] }));
      api.on('node.show', () => nodeView({ name }));
      api.on('spec.list', () => ({ items: [specView({ name })] }));
      api.on('spec.show', () => specView({ name }));
      api.on('spec.tasks', () => ({ items: [taskView({ state: 'queued' })] }));
      api.on('task.show', () => taskView({ node: { id: NODE_ID, name } }));
      for (const words of [
        ['node', 'list'],
        ['node', 'list', '-o', 'wide'],
        ['node', 'show', NODE_ID],
        ['spec', 'list'],
        ['spec', 'show', SPEC_ID],
        ['task', 'show', TASK_ID],
        ['doctor'],
      ]) {
        const { stdout, stderr } = await run(words);
        const shown = stdout + stderr;
        expect(shown, words.join(' ')).not.toMatch(/[\u200B\u202A-\u202E\u2066\u2067]/);
        // Each right-to-left run stands between the marks that keep it to itself.
        expect(shown.replaceAll(/\u2068[^\u2068\u2069\n]*\u2069/g, ''), words.join(' ')).not.toMatch(/[\u0590-\u08FF]/);
      }
    },
  );

  it('stand before their id where one thing is shown', async () => {
    api.on('node.show', () => nodeView({ name: 'Eric (laptop)' }));
    expect((await run(['node', 'show', NODE_ID])).stdout).toMatch(`Eric (laptop) (${NODE_ID})`);
    api.on('node.show', () => {
      const { name: _, ...unnamed } = nodeView();
      return unnamed;
    });
    expect((await run(['node', 'show', NODE_ID])).stdout).toMatch(new RegExp(`^Node +${NODE_ID}$`, 'm'));
  });
});
