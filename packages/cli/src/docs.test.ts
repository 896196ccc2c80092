import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cliReference } from './docs.ts';
import { GLOBAL_FLAGS } from './parse.ts';
import { TABLE } from './table/index.ts';
import { VERSION } from './version.ts';

const page = fileURLToPath(new URL('../../../docs/cli.md', import.meta.url));
const manifest = fileURLToPath(new URL('../package.json', import.meta.url));

describe('the command table', () => {
  it('is what docs/cli.md says; `npm run docs -w boi-node` writes it anew', () => {
    if (process.env.UPDATE_DOCS === '1') writeFileSync(page, cliReference(TABLE));
    expect(existsSync(page) ? readFileSync(page, 'utf8') : '').toBe(cliReference(TABLE));
  });

  it('has a summary, two examples and a meaning for every flag of every command', () => {
    for (const command of TABLE.filter((c) => c.hidden !== true)) {
      const name = command.path.join(' ');
      expect(command.summary, name).toMatch(/\.$/);
      expect(command.examples.length, name).toBeGreaterThanOrEqual(2);
      const flags = [...GLOBAL_FLAGS, ...(command.flags ?? [])];
      for (const flag of flags) expect(flag.summary, `${name} --${flag.name}`).toMatch(/\S/);
      const words = flags.flatMap((f) => [f.name, ...(f.short === undefined ? [] : [f.short])]);
      expect(new Set(words).size, `${name} gives a flag twice: ${words.join(' ')}`).toBe(words.length);
    }
  });

  it('has code behind every command', async () => {
    for (const command of TABLE) expect(await command.load(), command.path.join(' ')).toBeTypeOf('function');
  }, 60_000);

  it('tells the version of the package', () => {
    expect((JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version).toBe(VERSION);
  });
});
