/** The command as a library: the table and what is made from it, for generated documents and for tests. */
export type { Command, Flag, Positional } from './command.ts';
export { bashScript } from './completion/bash.ts';
export { fishScript } from './completion/fish.ts';
export { zshScript } from './completion/zsh.ts';
export { cliReference } from './docs.ts';
export type { Io } from './io.ts';
export { runCli } from './run-cli.ts';
export { TABLE } from './table/index.ts';
export { VERSION } from './version.ts';
