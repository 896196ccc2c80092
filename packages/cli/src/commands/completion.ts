/** `completion`: the script of a shell, from the command table. */
import type { Args } from '../args.ts';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import { zshScript } from '../completion/zsh.ts';
import type { Session } from '../session.ts';
import { TABLE } from '../table/index.ts';

export async function printCompletion(session: Session, args: Args): Promise<number> {
  const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
  await session.print(scripts[args.one('shell') as keyof typeof scripts](TABLE));
  return 0;
}
