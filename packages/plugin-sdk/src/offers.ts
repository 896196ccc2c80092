/**
 * For provisioners: what the nodes they make offer besides what every node advertises, as labels given by the operator. A request for
 * something else is refused at once, which is better than a node that joins and cannot do the work.
 */
import type { provisioner } from '@boi/proto';
import { Refusal } from './call.ts';

export type Offers = Readonly<Record<string, string>>;
type Requirement = provisioner.Requirement__Output;

/** What a node finds out by itself; the cluster judges it when it has joined. */
const OWN = new Set(['os', 'arch', 'cpus', 'memory', 'hostname', 'slots']);

/** `key=value,key=value`. Throws for anything else. */
export function parseOffers(text: string): Offers {
  const pairs = text.split(',').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 1) throw new Error(`--offers: ${JSON.stringify(pair)} is not key=value`);
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
  return Object.fromEntries(pairs);
}

/** Throws `failed-precondition`, naming what is missing. */
export function requireOffered(offers: Offers, requirements: readonly Requirement[]): void {
  const missing = requirements.filter((requirement) => !OWN.has(requirement.key) && !meets(offers, requirement));
  if (missing.length === 0) return;
  const keys = [...new Set(missing.map(({ key }) => key))].join(', ');
  throw new Refusal('failed-precondition', `the nodes made here do not offer what is required of ${keys}`);
}

function meets(offers: Offers, requirement: Requirement): boolean {
  const value = Object.hasOwn(offers, requirement.key) ? offers[requirement.key] : undefined;
  switch (requirement.test) {
    case 'exists':
      return (value !== undefined) === requirement.exists;
    case 'equals':
      return value === requirement.equals;
    case 'oneOf':
      return value !== undefined && (requirement.oneOf?.values ?? []).includes(value);
    case 'atLeast':
      return Number(value) >= Number(requirement.atLeast);
    case 'atMost':
      return Number(value) <= Number(requirement.atMost);
    default:
      return false;
  }
}
