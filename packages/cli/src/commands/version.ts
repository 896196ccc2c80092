/** `version`. */
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import type { Session } from '../session.ts';
import { VERSION } from '../version.ts';

export async function printVersion(session: Session, _args: Args): Promise<number> {
  await presentOne(session, { version: VERSION, node: process.version }, VERSION, () => `${VERSION}\n`);
  return 0;
}
