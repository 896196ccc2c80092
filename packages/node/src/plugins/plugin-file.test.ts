import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiError } from '@boi/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPlugin, pluginFile, pluginsDirectory, readPluginFiles, writePluginFile } from './plugin-file.ts';

describe('the files of plugins', () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'boi-plugins-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  async function put(name: string, content: unknown): Promise<void> {
    await mkdir(pluginsDirectory(dataDir), { recursive: true });
    await writeFile(pluginFile(dataDir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }

  const refusal = async () => {
    const error = await readPluginFiles(dataDir).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BoiError);
    expect((error as BoiError).code).toBe('config-invalid');
    return error as BoiError;
  };

  it('are none without a directory', async () => {
    expect(await readPluginFiles(dataDir)).toEqual([]);
  });

  it('are read as they were written, sorted, with the name of the file, and nobody else may read them', async () => {
    const hooks = { name: 'audit', kind: 'hooks', command: '/bin/audit', args: ['-v'], tier: 'audit' } as const;
    const path = await writePluginFile(dataDir, hooks);
    await writePluginFile(dataDir, { name: 'a-router', kind: 'router', command: 'route', env: { KEY: 'secret' } });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readPluginFiles(dataDir)).toEqual([
      { name: 'a-router', kind: 'router', command: 'route', env: { KEY: 'secret' } },
      hooks,
    ]);
  });

  it('are refused all at once, each with its path, its fields and what would be right', async () => {
    await put('one', { kind: 'hook', command: '', tier: 'maybe' });
    await put('two', { kind: 'router', comand: 'x', args: 'x', env: { A: 1 }, readyTimeoutMs: 0 });
    await put('three', '{');
    await put('Four', { kind: 'router', command: 'x' });
    const { message } = await refusal();
    expect(message).toContain(`${pluginFile(dataDir, 'one')}: `);
    expect(message).toContain('/kind must be one of hooks,');
    expect(message).toContain('/command must name a program');
    expect(message).toContain('/tier must be best_effort or audit');
    expect(message).toContain(`${pluginFile(dataDir, 'two')}: `);
    expect(message).toContain('/comand is no field of a plugin; did you mean "command"?');
    expect(message).toContain('/args must be a list of texts');
    expect(message).toContain('/env must be an object of names and texts');
    expect(message).toContain('/command is missing');
    expect(message).toContain(`${pluginFile(dataDir, 'three')} is not JSON`);
    expect(message).toContain(`${pluginFile(dataDir, 'Four')}: /name must be`);
  });

  it.each([null, [], 'text', 7])('do not hold %j', async (content) => {
    await put('odd', JSON.stringify(content));
    expect((await refusal()).message).toContain('/ must be an object with kind and command');
  });

  it('never show a value in the message: it may be a secret', async () => {
    await put('leaky', { kind: 'router', command: 'x', env: { TOKEN: ['hunter2'] }, workdir: 5 });
    expect((await refusal()).message).not.toContain('hunter2');
  });

  it('may not set the variables of the protocol', () => {
    expect(() => checkPlugin('p', { kind: 'router', command: 'x', env: { BOI_PLUGIN_SOCKET: '/x' } })).toThrow(
      /BOI_PLUGIN_/,
    );
  });
});
