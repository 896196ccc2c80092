/** The arguments of one command, checked against its flags: what a command asks for must be in the table. */
import { assert } from '@boi/core/errors';
import type { Command, Flag } from './command.ts';

export type FlagValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

export class Args {
  readonly #command: Command;
  readonly #flags: ReadonlyMap<string, FlagValue>;
  readonly #positionals: ReadonlyMap<string, readonly string[]>;
  /** What stood after `--`, for commands that take a command. */
  readonly rest: readonly string[];

  constructor(
    command: Command,
    flags: ReadonlyMap<string, FlagValue>,
    positionals: ReadonlyMap<string, readonly string[]>,
    rest: readonly string[],
  ) {
    this.#command = command;
    this.#flags = flags;
    this.#positionals = positionals;
    this.rest = rest;
  }

  switch(name: string): boolean {
    return this.#flag(name, ['switch']) === true;
  }

  text(name: string): string | undefined {
    return this.#flag(name, ['text', 'choice']) as string | undefined;
  }

  texts(name: string): readonly string[] {
    return (this.#flag(name, ['texts']) as readonly string[] | undefined) ?? [];
  }

  pairs(name: string): Readonly<Record<string, string>> {
    return (this.#flag(name, ['pairs']) as Readonly<Record<string, string>> | undefined) ?? {};
  }

  /** Durations in milliseconds, sizes in bytes. */
  number(name: string): number | undefined {
    return this.#flag(name, ['integer', 'duration', 'bytes']) as number | undefined;
  }

  /** Every flag that was given, of whatever kind, as {@link FlagValue}. */
  given(): ReadonlyMap<string, FlagValue> {
    return this.#flags;
  }

  one(name: string): string {
    const [value] = this.many(name);
    assert(value !== undefined, `argument ${name} was required by the parser`);
    return value;
  }

  optional(name: string): string | undefined {
    return this.many(name)[0];
  }

  many(name: string): readonly string[] {
    assert(
      this.#command.positionals?.some((p) => p.name === name),
      `no argument ${name} in the table`,
    );
    return this.#positionals.get(name) ?? [];
  }

  #flag(name: string, kinds: readonly Flag['kind'][]): FlagValue | undefined {
    const flag = this.#command.flags?.find((f) => f.name === name);
    assert(flag !== undefined && kinds.includes(flag.kind), `no flag ${name} of kind ${kinds.join('|')} in the table`);
    return this.#flags.get(name);
  }
}
