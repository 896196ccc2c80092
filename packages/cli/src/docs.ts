/** docs/cli.md from the command table. A test compares the two; `npm run docs -w boi-node` writes it anew. */
import type { Command, Flag } from './command.ts';
import { EXIT_CODES, flagTerm, flagText, usageOf } from './help.ts';
import { GLOBAL_FLAGS } from './parse.ts';
import { SETTINGS, variableOf } from './settings.ts';

export function cliReference(table: readonly Command[]): string {
  const commands = table.filter((c) => c.hidden !== true);
  const parts = [
    '# Command reference',
    'Generated from the command table by `npm run docs -w boi-node`; changes are made there.',
    'Results go to standard output, everything for the eye to standard error; where a script wants an id, standard output has the id alone.',
    '## Commands',
    commands.map((c) => `- [\`${c.path.join(' ')}\`](#${anchor(c)}): ${c.summary}`).join('\n'),
    '## Exit codes',
    tableOf(
      ['code', 'meaning'],
      EXIT_CODES.map(([code, meaning]) => [code, meaning]),
    ),
    '`run` exits with the code of the command it ran.',
    '## Flags of every command',
    flagTable(GLOBAL_FLAGS),
    '## Settings',
    'Each setting is a flag, an environment variable, or a key under `settings` in the configuration file; the flag wins, then the variable, then the file. `boi-node config show` tells where each value came from. The file is `$BOI_CONFIG_DIR/config.json`, else `$XDG_CONFIG_HOME/boi/config.json`, else `~/.config/boi/config.json`. The settings of a node (`boi-node join`) follow the same rule, with the file given by `--config`.',
    tableOf(
      ['setting', 'variable', 'default'],
      SETTINGS.map((s) => [`\`${s.name}\``, `\`${variableOf(s.name)}\``, 'default' in s ? `\`${s.default}\`` : '']),
    ),
    ...commands.map(section),
  ];
  return `${parts.join('\n\n')}\n`;
}

function section(command: Command): string {
  const parts = [
    `## ${command.path.join(' ')}`,
    command.summary,
    `\`\`\`text\n${usageOf(command)}\n\`\`\``,
    ...(command.description ?? []),
  ];
  if (command.positionals !== undefined) {
    parts.push(
      tableOf(
        ['argument', 'meaning'],
        command.positionals.map((p) => [`\`${p.name.toUpperCase()}\``, p.summary]),
      ),
    );
  }
  if (command.flags !== undefined) parts.push(flagTable(command.flags));
  parts.push(`\`\`\`sh\n${command.examples.map((e) => `# ${e.does}\n${e.line}`).join('\n\n')}\n\`\`\``);
  return parts.join('\n\n');
}

const flagTable = (flags: readonly Flag[]) =>
  tableOf(
    ['flag', 'meaning'],
    flags.map((f) => [`\`${flagTerm(f)}\``, flagText(f)]),
  );

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function anchor(command: Command): string {
  return command.path.join('-').toLowerCase();
}
