/** From words to exit code: finds the command, reads its arguments, loads and runs it, reports what it throws. */
import { reportFailure } from './fail.ts';
import { commandHelp, overviewHelp } from './help.ts';
import { type Io, write } from './io.ts';
import { colourOf, painter } from './output/paint.ts';
import { findCommand, parseArgs, unknownCommand } from './parse.ts';
import { TABLE } from './table/index.ts';

export async function runCli(words: readonly string[], io: Io): Promise<number> {
  try {
    const found = findCommand(TABLE, words);
    const paint = painter(colourOf('auto', io.stdout, io.env));
    const columns = Math.min(io.stdout.columns || 100, 120);
    if ('prefix' in found) {
      // `help spec list` is `spec list --help`.
      const asked = found.prefix[0] === 'help';
      const prefix = asked ? found.prefix.slice(1) : found.prefix;
      if (asked || words.includes('--help') || words.includes('-h')) {
        const command = TABLE.find((c) => c.path.join(' ') === prefix.join(' '));
        if (command !== undefined) await write(io.stdout, commandHelp(command, paint, columns));
        else if (prefix.length === 0 || TABLE.some((c) => c.path[0] === prefix[0] && prefix.length === 1)) {
          await write(io.stdout, overviewHelp(TABLE, prefix, paint, columns));
        } else throw unknownCommand(TABLE, prefix);
        return 0;
      }
      if (prefix.length > 0) throw unknownCommand(TABLE, prefix);
      await write(io.stderr, overviewHelp(TABLE, [], painter(colourOf('auto', io.stderr, io.env)), columns));
      return 2;
    }
    const { command, rest } = found;
    const { args, help } = await parseArgs(command, rest);
    if (help) {
      await write(io.stdout, commandHelp(command, paint, columns));
      return 0;
    }
    const [run, { Session }] = await Promise.all([command.load(), import('./session.ts')]);
    const session = await Session.open(io, args.given());
    try {
      const code = await run(session, args);
      if (session.shown?.own === true) await (await import('./renewal.ts')).renewWhenDue(session, session.shown);
      return code;
    } finally {
      session.close();
    }
  } catch (error) {
    return reportFailure(error, io);
  }
}
