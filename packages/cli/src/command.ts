/**
 * What a command is, as data. The table (`table/`) is the one source from which come the parser, the help, docs/cli.md, the
 * manual and the shell completions; a command's code is loaded when it runs and not before, since each module costs start-up time.
 */
import type { Args } from './args.ts';
import type { Session } from './session.ts';

/** What a shell offers after a flag or argument. */
export type Completes = 'spec' | 'task' | 'node' | 'group' | 'context' | 'file' | 'directory';

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** `switch` takes no value; `texts` and `pairs` may be repeated. Durations become milliseconds, sizes bytes. */
  readonly kind: 'switch' | 'text' | 'texts' | 'pairs' | 'integer' | 'duration' | 'bytes' | 'choice';
  /** Word for the value in help; default by kind. */
  readonly value?: string;
  readonly summary: string;
  /** As a person would write it; only said, what it means is the command's. */
  readonly default?: string;
  /** Smallest and largest, in the kind's own unit: milliseconds, bytes or plain. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
}

export interface Positional {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** Takes all that is left, at least one unless optional. */
  readonly many?: boolean;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
}

export interface Example {
  readonly line: string;
  readonly does: string;
}

export interface Command {
  /** `['spec', 'list']`. */
  readonly path: readonly string[];
  readonly summary: string;
  /** Further paragraphs of the help. */
  readonly description?: readonly string[];
  readonly positionals?: readonly Positional[];
  readonly flags?: readonly Flag[];
  /** What stands after `--` is taken as a command to run. */
  readonly takesCommand?: boolean;
  /** Left out of help and docs. */
  readonly hidden?: boolean;
  /** At least two, but for hidden ones. */
  readonly examples: readonly Example[];
  readonly load: () => Promise<Run>;
}

/** Answers the exit code; throws `BoiError` for everything that has a code of its own. */
export type Run = (session: Session, args: Args) => Promise<number>;
