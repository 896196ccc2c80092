/**
 * Names for a shell, one a line: asked by the completion scripts at each Tab, so it waits a short time only and is silent
 * when anything is wrong.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';

/** Longer than this a person would not wait for a Tab. */
const PATIENCE_MS = 1_500;
const OFFERS_MAX = 200;

export async function completeNames(session: Session, args: Args): Promise<number> {
  const word = args.optional('word') ?? '';
  const stop = new AbortController();
  const late = delay(PATIENCE_MS, [], { ref: false });
  const offers = await Promise.race([offersOf(session, args.one('kind'), word, stop.signal).catch(() => []), late]);
  stop.abort();
  const unique = [...new Set(offers)].filter((offer) => offer.startsWith(word) && isPlain(offer));
  await session.print(
    unique
      .slice(0, OFFERS_MAX)
      .map((offer) => `${offer}\n`)
      .join(''),
  );
  return 0;
}

async function offersOf(session: Session, kind: string, word: string, signal: AbortSignal): Promise<string[]> {
  const prj = session.project;
  switch (kind) {
    case 'context':
      return Object.keys(session.config.contexts);
    case 'node': {
      const { items } = await session.client.call('node.list', { signal });
      return items.flatMap((n) => (n.name === undefined ? [n.id] : [n.name, n.id]));
    }
    case 'group': {
      const { items } = await session.client.call('group.list', { signal });
      return items.flatMap((g) => (g.name === undefined ? [g.id] : [g.name, g.id]));
    }
    case 'task': {
      const slash = word.indexOf('/');
      if (slash < 1) return (await specNames(session, signal)).map((name) => `${name}/`);
      const spc = word.slice(0, slash);
      const { items } = await session.client.call('spec.tasks', {
        params: { prj, spc },
        query: { limit: 1000 },
        signal,
      });
      return items.map((t) => `${spc}/${t.ref}`);
    }
    default:
      return specNames(session, signal);
  }
}

async function specNames(session: Session, signal: AbortSignal): Promise<string[]> {
  const { items } = await session.client.call('spec.list', {
    params: { prj: session.project },
    query: { limit: 100 },
    signal,
  });
  // Of several with one name the name would be refused as ambiguous, so those are offered by id.
  const names = items.map((s) => s.name);
  return items.map((s) =>
    s.name !== undefined && names.indexOf(s.name) === names.lastIndexOf(s.name) ? s.name : s.id,
  );
}

/** A name with blanks or quotes would reach the shell as several words. */
function isPlain(offer: string): boolean {
  return /^[\p{L}\p{N}_./@:+\-[\]=,]+$/u.test(offer);
}
