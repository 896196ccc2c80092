import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PluginLog } from './plugin-log.ts';

const AT = '2023-11-14T22:13:20.000Z';

describe('the log of a plugin', () => {
  let directory: string;
  let path: string;
  const problems: unknown[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'boi-plugin-log-'));
    path = join(directory, 'logs', 'plugins', 'audit.log');
    problems.length = 0;
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const open = (bytesMax?: number) =>
    new PluginLog({
      path,
      now: () => 1_700_000_000_000,
      onProblem: (error) => problems.push(error),
      ...(bytesMax === undefined ? {} : { bytesMax }),
    });

  async function all(log: PluginLog, tailBytes = 1_000_000): Promise<string> {
    const chunks: Buffer[] = [];
    const signal = new AbortController().signal;
    for await (const chunk of log.read({ tailBytes, follow: false, signal })) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  it('has each line with its time and stream, and nobody else may read it', async () => {
    const log = open();
    log.write('stderr', 'hello');
    log.write('boi', 'is ready');
    await log.close();
    expect(await readFile(path, 'utf8')).toBe(`${AT} stderr hello\n${AT} boi is ready\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('goes on where an earlier life of the daemon ended', async () => {
    for (const text of ['one', 'two']) {
      const log = open();
      log.write('stdout', text);
      await log.close();
    }
    expect(await readFile(path, 'utf8')).toBe(`${AT} stdout one\n${AT} stdout two\n`);
  });

  it('is empty before anything was written', async () => {
    expect(await all(open())).toBe('');
  });

  it('keeps two files of at most the cap each', async () => {
    const log = open(1_000);
    for (let i = 0; i < 200; i++) {
      log.write('stderr', `line ${i}`);
      // Each in a write of its own, as a plugin that writes now and then.
      await all(log);
    }
    await log.close();
    expect((await stat(path)).size).toBeLessThanOrEqual(1_000);
    expect((await stat(`${path}.1`)).size).toBeLessThanOrEqual(1_000);
    expect(await readFile(path, 'utf8')).toContain('line 199\n');
  });

  it('is read from the first whole line of what was asked for', async () => {
    const log = open();
    for (let i = 0; i < 10; i++) log.write('stderr', `line ${i}`);
    await log.close();
    const line = `${AT} stderr line 9\n`;
    expect(await all(open(), line.length)).toBe(line);
    expect(await all(open(), line.length + 3)).toBe(line);
    expect((await all(open(), 2 * line.length)).split('\n')).toHaveLength(3);
  });

  it('is followed over the moment it is moved aside, without a gap or a repeat, to its end', async () => {
    const log = open(2_000);
    log.write('stderr', 'line 0');
    const abort = new AbortController();
    let text = '';
    let heard = () => {};
    const following = (async () => {
      for await (const chunk of log.read({ tailBytes: 10_000, follow: true, signal: abort.signal })) {
        text += chunk.toString();
        heard();
      }
    })();
    for (let i = 1; i < 200; i++) {
      const arrived = new Promise<void>((resolve) => {
        heard = () => (text.includes(`line ${i}\n`) ? resolve() : undefined);
      });
      log.write('stderr', `line ${i}`);
      await arrived;
    }
    await log.close();
    await following;
    expect(text).toBe(Array.from({ length: 200 }, (_, i) => `${AT} stderr line ${i}\n`).join(''));
  });

  it('leaves lines out rather than growing in memory, and says how many', async () => {
    const log = open();
    for (let i = 0; i < 300; i++) log.write('stderr', 'x'.repeat(8_000));
    await log.close();
    const text = await readFile(path, 'utf8');
    expect(text.length).toBeLessThan(1_200_000);
    expect(text).toMatch(/ boi \(\d+ lines left out\)\n$/);
  });

  it('tells once that the disk refuses it, and goes on', async () => {
    await writeFile(join(directory, 'file'), '');
    path = join(directory, 'file', 'x.log');
    const log = open();
    for (let i = 0; i < 5; i++) {
      log.write('stderr', `line ${i}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await log.close();
    expect(problems).toHaveLength(1);
  });
});
